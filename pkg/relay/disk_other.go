//go:build !linux && !darwin && !freebsd

package relay

import "math"

// freeBytes does not know here: a full disk is noticed when a write fails.
func freeBytes(string) (int64, error) { return math.MaxInt64, nil }
