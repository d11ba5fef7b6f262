//go:build linux || darwin || freebsd

package relay

import (
	"math"

	"golang.org/x/sys/unix"
)

// freeSpace returns how many bytes and files the user of this process may still write
// to the file system of a folder.
func freeSpace(dir string) (space, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return space{}, err
	}
	free := space{bytes: int64(s.Bavail) * int64(s.Bsize), files: math.MaxInt64} //nolint:unconvert // the types differ from system to system
	if s.Files > 0 {                                                             // else the file system has no such limit
		free.files = int64(s.Ffree) //nolint:gosec // a count
	}
	return free, nil
}
