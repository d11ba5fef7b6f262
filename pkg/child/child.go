// Package child runs a program with this process's streams, as a shell does: it forwards
// signals to the program, and returns the program's exit code.
package child

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
)

// The exit codes of shells for a program that cannot be run.
const (
	codeNotExecutable = 126
	codeNotFound      = 127
	codeSignal        = 128 // plus the number of the signal that ended the program
)

// Error reports that a program failed, or that it could not be run.
type Error struct {
	// Code is the exit code that a shell would report.
	Code int
	// Err is nil if the program failed by itself, which it has explained.
	Err error
}

// Error returns the text of the wrapped error or, without one, the exit code.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns the wrapped error.
func (e *Error) Unwrap() error { return e.Err }

// Program is a program that was found.
type Program struct {
	// Env is the program's environment; New sets it to this process's.
	Env []string

	args    []string
	path    string
	signals chan os.Signal
}

// New finds the program of a command line. From here on, a signal does not end this
// process; Run forwards it. Call Release at the end. Errors are *Error.
func New(args []string) (*Program, error) {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return nil, cannotRun(args[0], err)
	}
	p := &Program{Env: os.Environ(), args: args, path: path, signals: make(chan os.Signal, 16)}
	for _, s := range forwarded() {
		if !signal.Ignored(s) { // nohup makes its command ignore SIGHUP
			signal.Notify(p.signals, s)
		}
	}
	return p, nil
}

// Release lets the signals that ask a process to end do so again. The others, which were
// for the program only, have no effect from here on, even if they arrive late.
func (p *Program) Release() {
	ignoreLate()
	signal.Stop(p.signals)
}

// Run runs the program and forwards signals to it until it ends. If it fails, the error
// is an *Error.
func (p *Program) Run(stdin io.Reader, stdout, stderr io.Writer) error {
	cmd := &exec.Cmd{Path: p.path, Args: p.args, Env: p.Env, Stdin: stdin, Stdout: stdout, Stderr: stderr}
	if err := cmd.Start(); err != nil {
		return cannotRun(p.args[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-p.signals:
			forward(cmd.Process, s)
		case err := <-ended:
			return failure(p.args[0], err)
		}
	}
}

func cannotRun(name string, err error) error {
	var path *fs.PathError
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return &Error{Code: codeNotFound, Err: fault.Usagef("program %q not found", name)}
	case errors.As(err, &path):
		err = path.Err
	default:
		if inner := errors.Unwrap(err); inner != nil {
			err = inner // without the name, which the message has already
		}
	}
	return &Error{Code: codeNotExecutable, Err: fault.Usagef("cannot run %q: %w", name, err)}
}

// failure returns the result of Wait with the exit code that a shell would report.
func failure(name string, err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err // usually nil
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return &Error{Code: codeSignal + int(status.Signal()), Err: fault.New(fault.Failed, "%s: %w", name, err)}
	}
	return &Error{Code: exit.ExitCode()}
}
