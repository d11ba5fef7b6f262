//go:build unix

package receiver

import "golang.org/x/sys/unix"

// descriptorLimit returns how many file descriptors this process may have open.
func descriptorLimit() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<30 {
		return 1 << 30
	}
	return int(limit.Cur) //nolint:gosec // bounded above; the type differs from system to system
}
