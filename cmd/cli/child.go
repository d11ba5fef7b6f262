package cli

import (
	"errors"
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

// CodeError is an error that is printed, with the exit code of a child process.
type CodeError struct {
	Err  error
	Code int
}

func (e *CodeError) Error() string { return e.Err.Error() }

// Unwrap returns the wrapped error.
func (e *CodeError) Unwrap() error { return e.Err }

// Child is a program that a command runs, with the command's own streams.
type Child struct {
	// Env is the program's environment; NewChild sets it to this process's.
	Env []string

	args    []string
	path    string
	signals chan os.Signal
}

// NewChild finds the program of a command line. From here on, a signal does not end
// this process, but only the context of the command; Run forwards it. Call Release at
// the end. If there is no such program, the error has a shell's exit code.
func NewChild(args []string) (*Child, error) {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return nil, cannotRun(args[0], err)
	}
	c := &Child{Env: os.Environ(), args: args, path: path, signals: make(chan os.Signal, 16)}
	for _, s := range forwarded() {
		if !signal.Ignored(s) { // nohup makes its command ignore SIGHUP
			signal.Notify(c.signals, s)
		}
	}
	return c, nil
}

// Release lets signals end this process again.
func (c *Child) Release() { signal.Stop(c.signals) }

// Run runs the program and forwards signals to it until it ends. If the program fails,
// the error has its exit code.
func (c *Child) Run(a *App) error {
	cmd := &exec.Cmd{Path: c.path, Args: c.args, Env: c.Env, Stdin: a.In, Stdout: a.Out, Stderr: a.Err}
	if err := cmd.Start(); err != nil {
		return cannotRun(c.args[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-c.signals:
			forward(cmd.Process, s)
		case err := <-ended:
			return childError(c.args[0], err)
		}
	}
}

func cannotRun(name string, err error) error {
	var path *fs.PathError
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return &CodeError{Code: codeNotFound, Err: Failf(fault.Usage, "program %q not found", name)}
	case errors.As(err, &path):
		err = path.Err
	default:
		if inner := errors.Unwrap(err); inner != nil {
			err = inner // without the name, which the message has already
		}
	}
	return &CodeError{Code: codeNotExecutable, Err: Failf(fault.Usage, "cannot run %q: %w", name, err)}
}

// childError returns the result of Wait as an error with the exit code that a shell
// would report.
func childError(name string, err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err // usually nil
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return &CodeError{Code: codeSignal + int(status.Signal()), Err: Failf(fault.Failed, "%s: %w", name, err)}
	}
	return &SilentError{Code: exit.ExitCode()}
}
