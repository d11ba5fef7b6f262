//go:build linux || darwin || freebsd

package relay

import "golang.org/x/sys/unix"

// freeBytes is how much the user of this process may still write to the file
// system of a folder.
func freeBytes(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // the types differ from system to system
}
