package cli

import (
	"errors"
	"math"

	"github.com/dustin/go-humanize"
)

// ByteSize is a flag value for a size in bytes, such as 512MiB, 1.5GB or 65536.
type ByteSize int64

func (b *ByteSize) String() string { return humanize.IBytes(uint64(max(*b, 0))) } //nolint:gosec // it is not negative

// Type returns the name that help shows for the value.
func (b *ByteSize) Type() string { return "SIZE" }

// Set parses a size such as 512MiB.
func (b *ByteSize) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	if err != nil || n > math.MaxInt64 {
		return errors.New("must be a size such as 512MiB or 2GB")
	}
	*b = ByteSize(n) //nolint:gosec // checked above
	return nil
}
