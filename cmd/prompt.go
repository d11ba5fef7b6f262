package cmd

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

// interactive reports whether there is somebody to ask: questions go to
// stderr, so stdout may be a pipe.
func (a *app) interactive() bool { return isTerminal(a.in) && isTerminal(a.err) }

// confirm asks before something that can't be taken back. Where nobody can be
// asked, it takes a flag.
func (a *app) confirm(ctx context.Context, question string) error {
	if !a.interactive() {
		return hinted(usagef("this needs a yes, and there is no terminal to ask on"), "say --yes")
	}
	fmt.Fprintf(a.err, "%s [y/N] ", output.Safe(question))
	line, err := a.readLine(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return failf(exitFailed, "not confirmed; nothing was changed")
}

// readLine waits for a line, for the end of the input, which is io.EOF (Ctrl-D
// at an empty line), or for the end of ctx. The read that ctx cuts off
// stays behind until the process ends, which is next.
func (a *app) readLine(ctx context.Context) (string, error) {
	type answer struct {
		line string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(a.in).ReadString('\n')
		answers <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.err)
		return "", ctx.Err()
	case got := <-answers:
		switch {
		case errors.Is(got.err, io.EOF) && got.line == "":
			fmt.Fprintln(a.err)
			return "", io.EOF
		case got.err != nil && !errors.Is(got.err, io.EOF):
			return "", fmt.Errorf("read the answer: %w", got.err)
		}
		return got.line, nil
	}
}

// ask asks for a line on the terminal; an empty one means suggested.
func (a *app) ask(ctx context.Context, question, suggested string) (string, error) {
	prompt := question
	if suggested != "" {
		prompt += " [" + suggested + "]"
	}
	fmt.Fprintf(a.err, "%s: ", output.Safe(prompt))
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
		return "", usagef("no %s was given", strings.ToLower(question))
	}
	return line, nil
}

// askSecret asks on the terminal without showing what is typed. However it
// ends, the terminal shows again afterwards what is typed.
func (a *app) askSecret(ctx context.Context, question string) (string, error) {
	fd := int(a.in.(*os.File).Fd())
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
	fmt.Fprintf(a.err, "%s: ", output.Safe(question))
	defer fmt.Fprintln(a.err) // the Enter was not shown either
	select {
	case <-ctx.Done():
		_ = term.Restore(fd, state) // the reading goroutine ends with the process, which is next
		return "", ctx.Err()
	case got := <-answers:
		switch text := strings.TrimSpace(string(got.text)); {
		case errors.Is(got.err, io.EOF), got.err == nil && text == "":
			return "", usagef("no %s was given", strings.ToLower(question))
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

// readSecretInput reads one secret text from stdin, for --password-stdin and
// its like; on a terminal it asks. The line break at its end is not part of it.
func (a *app) readSecretInput(ctx context.Context, question string) (string, error) {
	if isTerminal(a.in) {
		return a.askSecret(ctx, question)
	}
	text, err := a.readInput("-", maxTypedSecret)
	if err != nil {
		return "", err
	}
	line := strings.TrimRight(string(text), "\r\n")
	if line == "" {
		return "", usagef("stdin is empty: there is no %s in it", strings.ToLower(question))
	}
	return line, nil
}

// maxTypedSecret is far more than a password or a token has, in bytes.
const maxTypedSecret = 64 << 10
