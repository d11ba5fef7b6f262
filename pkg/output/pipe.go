package output

import (
	"errors"
	"io"
	"runtime"
	"syscall"
)

// IsClosedPipe reports whether err says that the reader of our output went
// away, as with `| head`. There is nobody left to tell, so a command ends
// quietly.
//
// On Unix a program is killed by SIGPIPE before it sees such an error on its
// stdout, unless it ignores that signal: main has to.
func IsClosedPipe(err error) bool {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		return true
	}
	var errno syscall.Errno
	if runtime.GOOS != "windows" || !errors.As(err, &errno) {
		return false
	}
	const brokenPipe, noData = 109, 232 // ERROR_BROKEN_PIPE, ERROR_NO_DATA
	return errno == brokenPipe || errno == noData
}
