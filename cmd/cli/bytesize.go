package cli

import (
	"errors"
	"math"

	"github.com/dustin/go-humanize"
)

// ByteSize is a flag for an amount of bytes: 512MiB, 1.5GB, 65536.
type ByteSize int64

func (b *ByteSize) String() string { return humanize.IBytes(uint64(max(*b, 0))) } //nolint:gosec // it is not negative

// Type names the kind of value in help.
func (b *ByteSize) Type() string { return "SIZE" }

// Set parses a size such as 512MiB.
func (b *ByteSize) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	if err != nil || n > math.MaxInt64 {
		return errors.New("it is no size such as 512MiB or 2GB")
	}
	*b = ByteSize(n) //nolint:gosec // it fits, as checked
	return nil
}
