package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// Interactive reports whether there is somebody to ask: questions go to
// stderr, so stdout may be a pipe.
func (a *App) Interactive() bool { return IsTerminal(a.In) && IsTerminal(a.Err) }

// Confirm asks before something that can't be taken back. Where nobody can be
// asked, it takes a flag.
func (a *App) Confirm(ctx context.Context, question string) error {
	if !a.Interactive() {
		return Hinted(Usagef("this needs a yes, and there is no terminal to ask on"), "say --yes")
	}
	fmt.Fprintf(a.Err, "%s [y/N] ", output.Safe(question))
	line, err := a.readLine(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return Failf(ExitFailed, "not confirmed; nothing was changed")
}

// readLine waits for a line, for the end of the input, which is io.EOF (Ctrl-D
// at an empty line), or for the end of ctx. The read that ctx cuts off
// stays behind until the process ends, which is next.
func (a *App) readLine(ctx context.Context) (string, error) {
	type answer struct {
		line string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(a.In).ReadString('\n')
		answers <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.Err)
		return "", ctx.Err()
	case got := <-answers:
		switch {
		case errors.Is(got.err, io.EOF) && got.line == "":
			fmt.Fprintln(a.Err)
			return "", io.EOF
		case got.err != nil && !errors.Is(got.err, io.EOF):
			return "", fmt.Errorf("read the answer: %w", got.err)
		}
		return got.line, nil
	}
}

// Ask asks for a line on the terminal; an empty one means suggested.
func (a *App) Ask(ctx context.Context, question, suggested string) (string, error) {
	prompt := question
	if suggested != "" {
		prompt += " [" + suggested + "]"
	}
	fmt.Fprintf(a.Err, "%s: ", output.Safe(prompt))
	line, err := a.readLine(ctx)
	switch {
	case errors.Is(err, io.EOF):
		suggested = "" // it is no Enter
	case err != nil:
		return "", err
	}
	if line = strings.TrimSpace(line); line == "" {
		line = suggested
	}
	if line == "" {
		return "", Usagef("no %s was given", strings.ToLower(question))
	}
	return line, nil
}

// AskSecret asks on the terminal without showing what is typed. However it
// ends, the terminal shows again afterwards what is typed.
func (a *App) AskSecret(ctx context.Context, question string) (string, error) {
	fd := int(a.In.(*os.File).Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("read the %s from the terminal: %w", strings.ToLower(question), err)
	}
	type answer struct {
		text []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		answers <- answer{text, err}
	}()
	waitHidden(fd, state)
	fmt.Fprintf(a.Err, "%s: ", output.Safe(question))
	defer fmt.Fprintln(a.Err) // the Enter was not shown either
	select {
	case <-ctx.Done():
		_ = term.Restore(fd, state) // the reading goroutine ends with the process, which is next
		return "", ctx.Err()
	case got := <-answers:
		switch text := strings.TrimSpace(string(got.text)); {
		case errors.Is(got.err, io.EOF), got.err == nil && text == "":
			return "", Usagef("no %s was given", strings.ToLower(question))
		case got.err != nil:
			return "", fmt.Errorf("read the %s from the terminal: %w", strings.ToLower(question), got.err)
		}
		return string(got.text), nil
	}
}

// waitHidden waits until the terminal no longer shows what is typed, so that
// nothing is shown of what follows the question at once. The wait is bounded,
// since some terminals never did.
func waitHidden(fd int, before *term.State) {
	for range 100 {
		if now, err := term.GetState(fd); err != nil || *now != *before {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// ReadSecretInput reads one secret text from stdin, for --password-stdin and
// its like; on a terminal it asks. The line break at its end is not part of it.
func (a *App) ReadSecretInput(ctx context.Context, question string) (string, error) {
	if IsTerminal(a.In) {
		return a.AskSecret(ctx, question)
	}
	text, err := a.ReadText(ctx, "-", maxTypedSecret)
	if err != nil {
		return "", err
	}
	line := strings.TrimRight(string(text), "\r\n")
	if line == "" {
		return "", Usagef("stdin is empty: there is no %s in it", strings.ToLower(question))
	}
	return line, nil
}

// maxTypedSecret is far more than a password or a token has, in bytes.
const maxTypedSecret = 64 << 10
