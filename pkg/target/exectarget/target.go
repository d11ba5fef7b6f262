// Package exectarget runs a program for each event. The program gets the exact
// body of the event on stdin, and its exit code is the result of the attempt.
package exectarget

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// defaultTimeout limits a run if Options.Timeout is 0.
const defaultTimeout = 30 * time.Second

// exitDataErr is the exit code with which a program refuses an event permanently by
// default: EX_DATAERR of sysexits.h.
const exitDataErr = 65

// drainTime is how long to wait for the rest of the output after the program and
// its group have ended. Only a process that has left the group can still write.
const drainTime = 100 * time.Millisecond

// Options are the settings of a Target. Program is required.
type Options struct {
	// Program is the path of the program, or its name in PATH. It is run without a
	// shell, in the current folder.
	Program string
	// Args are the program's arguments, without its name. They are visible to all users
	// of the machine.
	Args []string
	// Env names variables of this process to pass to the program in addition to PATH,
	// HOME, TZ and LANG. Names that are not set are left out.
	Env []string
	// DeadOn lists the exit codes, from 1 to 255, with which the program refuses an event
	// permanently; nil means 65.
	DeadOn []int
	// Timeout limits a run; 0 means 30 s.
	Timeout time.Duration
	// Logf logs the program's output, line by line and limited; nil drops it. It
	// must be safe for concurrent use.
	Logf func(format string, args ...any)
}

// Target runs a program for each event. It is safe for concurrent use, and runs as
// many programs at once as there are calls of Deliver.
type Target struct {
	o    Options
	path string
}

// New returns a Target. It fails if the program is missing or cannot be executed, and
// if Env or DeadOn is invalid.
func New(o Options) (*Target, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	o.Args, o.Env, o.DeadOn = slices.Clone(o.Args), slices.Clone(o.Env), slices.Clone(o.DeadOn)
	if o.DeadOn == nil {
		o.DeadOn = []int{exitDataErr}
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	path, err := exec.LookPath(o.Program)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Program, cause(err))
	}
	return &Target{o: o, path: path}, nil
}

// check returns an error if Args, Env or DeadOn is invalid.
func (o *Options) check() error {
	for _, arg := range o.Args {
		if strings.ContainsRune(arg, 0) {
			return errors.New("an argument has a NUL character")
		}
	}
	for _, name := range o.Env {
		switch {
		case name == "" || strings.ContainsAny(name, "=\x00"):
			return fmt.Errorf("%q is not the name of an environment variable", name)
		case isFromEvent(name):
			return fmt.Errorf("the variable %s cannot be passed: it is set from the event", name)
		}
	}
	for _, code := range o.DeadOn {
		if code < 1 || code > 255 {
			return fmt.Errorf("invalid exit code %d: must be at least 1 and at most 255", code)
		}
	}
	return nil
}

// String returns the path of the program, after "exec:".
func (t *Target) String() string { return "exec:" + t.path }

// Close does nothing: no process outlives its Deliver.
func (t *Target) Close() error { return nil }

// Deliver runs the program once. Exit code 0 accepts the event, and the codes in
// Options.DeadOn refuse it permanently. When Deliver returns, the program and all processes of its group
// have ended.
func (t *Target) Deliver(ctx context.Context, e target.Event) target.Result {
	ctx, cancel := context.WithTimeout(ctx, t.o.Timeout)
	defer cancel()
	start := time.Now()
	out := &lines{logf: t.o.Logf, prefix: fmt.Sprintf("%s, event %s", filepath.Base(t.path), clean(e.ID))}
	err := t.run(ctx, e, out)
	r := target.Result{Duration: time.Since(start)}
	var exit *exec.ExitError
	exited := errors.As(err, &exit) && exit.Exited()
	last := out.close()
	switch {
	case err == nil:
		return r
	case exited:
		r.Permanent = slices.Contains(t.o.DeadOn, exit.ExitCode())
		r.Err = fmt.Errorf("exit code %d", exit.ExitCode())
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		r.Err = &timeoutError{t.o.Timeout}
	case ctx.Err() != nil:
		r.Err = ctx.Err()
	case exit != nil:
		r.Err = fmt.Errorf("the program ended: %w", err)
	default:
		r.Err = fmt.Errorf("run %s: %w", t.path, cause(err))
	}
	if last != "" {
		r.Err = fmt.Errorf("%w: %s", r.Err, last)
	}
	return r
}

// run runs the program and waits until its whole group has ended.
func (t *Target) run(ctx context.Context, e target.Event, out io.Writer) (err error) {
	stdin, body, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	output, stdout, err := os.Pipe()
	if err != nil {
		_ = stdin.Close()
		return err
	}
	defer func() { _ = output.Close() }()
	cmd := exec.CommandContext(ctx, t.path, t.o.Args...)
	cmd.Env = environment(e, t.o.Env)
	// With files of its own instead of readers and writers, Wait does not wait for
	// processes that the program left behind.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stdout
	processes, err := newGroup(cmd)
	if err == nil {
		defer processes.release()
		cmd.Cancel = processes.kill
		err = cmd.Start()
	}
	_, _ = stdin.Close(), stdout.Close()
	if err != nil {
		return err
	}
	processes.started()
	go func() {
		_, _ = io.Copy(body, bytes.NewReader(e.Body)) // the program may not read it
		_ = body.Close()
	}()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(out, output) // out never fails
	}()
	err = cmd.Wait()
	_ = processes.kill() // whatever the program left running
	select {
	case <-drained:
	case <-time.After(drainTime):
	}
	return err
}

// cause returns the error without the name of the program, which the caller adds.
func cause(err error) error {
	var lookup *exec.Error
	if errors.As(err, &lookup) {
		err = lookup.Err
	}
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return err
}

// timeoutError is the failure of a run that took too long. It wraps
// context.DeadlineExceeded.
type timeoutError struct{ limit time.Duration }

func (e *timeoutError) Error() string {
	return fmt.Sprintf("the program did not end within %s", e.limit)
}
func (e *timeoutError) Unwrap() error { return context.DeadlineExceeded }
