package output

import (
	"errors"
	"io"
	"runtime"
	"syscall"
)

// Stdout returns a writer for a command's standard output. If its reader goes away,
// writes fail with an error that IsClosed recognizes.
func Stdout(w io.Writer) io.Writer { return stdout{w} }

type stdout struct{ w io.Writer }

func (s stdout) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	if isBrokenPipe(err) {
		err = &closedError{err}
	}
	return n, err
}

// closedError reports that the reader of stdout went away.
type closedError struct{ err error }

func (e *closedError) Error() string { return e.err.Error() }

func (e *closedError) Unwrap() error { return e.err }

// IsClosed reports whether err means only that the reader of stdout has gone away,
// as with `| head`. Then the command ends quietly. Other broken
// connections do not count.
//
// On Unix, SIGPIPE kills a program before it gets such an error, unless main handles
// that signal.
func IsClosed(err error) bool {
	switch e := err.(type) { //nolint:errorlint // walks the tree itself
	case *closedError:
		return true
	case interface{ Unwrap() error }:
		return IsClosed(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if !IsClosed(inner) {
				return false
			}
		}
		return len(e.Unwrap()) > 0
	}
	return false
}

func isBrokenPipe(err error) bool {
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
