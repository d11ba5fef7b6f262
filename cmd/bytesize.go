package cmd

import (
	"errors"
	"math"

	"github.com/dustin/go-humanize"
)

// byteSize is a flag for an amount of bytes: 512MiB, 1.5GB, 65536.
type byteSize int64

func (b *byteSize) String() string { return humanize.IBytes(uint64(max(*b, 0))) } //nolint:gosec // it is not negative
func (b *byteSize) Type() string   { return "SIZE" }

func (b *byteSize) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	if err != nil || n > math.MaxInt64 {
		return errors.New("it is no size such as 512MiB or 2GB")
	}
	*b = byteSize(n) //nolint:gosec // it fits, as checked
	return nil
}
