//go:build unix

package child

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// forwarded returns the signals that end a program.
func forwarded() []os.Signal {
	return []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2}
}

// ignoreLate ignores the signals that would end this process with a dump of its stacks, or
// without cleaning up.
func ignoreLate() { signal.Ignore(syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2) }

// forward sends a signal to a child process, unless the terminal has already done so.
func forward(p *os.Process, s os.Signal) {
	if (s == syscall.SIGINT || s == syscall.SIGQUIT) && inForeground() {
		return
	}
	_ = p.Signal(s) // it may have ended
}

// inForeground reports whether the keys of a terminal send signals to this process, and
// therefore also to its children.
func inForeground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
