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

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// Interactive reports whether prompts are possible. They go to stderr, so stdout may be a
// pipe.
func (a *App) Interactive() bool { return IsTerminal(a.In) && IsTerminal(a.Err) }

// CheckConfirm returns the error that Confirm returns without a terminal, or nil if yes is
// set. Commands that send requests before they ask call it first.
func (a *App) CheckConfirm(yes bool) error {
	if yes || a.Interactive() {
		return nil
	}
	return Hinted(Usagef("confirmation required, but stdin is not a terminal"), "pass --yes to skip the prompt")
}

// Confirm asks the user to confirm an action. Without a terminal, it returns an error that
// suggests --yes.
func (a *App) Confirm(ctx context.Context, question string) error {
	if err := a.CheckConfirm(false); err != nil {
		return err
	}
	const answers = " [y/N] "
	fmt.Fprint(a.Err, output.WrapLines(output.Safe(question), widthOf(a.Err)-len(answers)), answers)
	line, err := a.readLine(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return Failf(fault.Failed, "not confirmed; nothing was changed")
}

// readLine waits until a line is entered, the input ends (Ctrl-D on an empty line; the
// error is io.EOF), or ctx is done. If ctx is done first, the read continues in the
// background until the process ends.
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

// Ask asks for a line on the terminal. An empty line accepts the suggested answer.
func (a *App) Ask(ctx context.Context, question, suggested string) (string, error) {
	prompt := question
	if suggested != "" {
		prompt += " [" + suggested + "]"
	}
	fmt.Fprintf(a.Err, "%s: ", output.Safe(prompt))
	line, err := a.readLine(ctx)
	switch {
	case errors.Is(err, io.EOF):
		suggested = "" // Ctrl-D does not accept the suggestion
	case err != nil:
		return "", err
	}
	if line = strings.TrimSpace(line); line == "" {
		line = suggested
	}
	if line == "" {
		return "", Usagef("no %s entered", strings.ToLower(question))
	}
	return line, nil
}

// AskSecret asks for a secret on the terminal without echo. It always turns echo on again.
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
	defer fmt.Fprintln(a.Err) // because Enter was not echoed
	select {
	case <-ctx.Done():
		_ = term.Restore(fd, state) // the reading goroutine ends with the process
		return "", ctx.Err()
	case got := <-answers:
		switch text := strings.TrimSpace(string(got.text)); {
		case errors.Is(got.err, io.EOF), got.err == nil && text == "":
			return "", Usagef("no %s entered", strings.ToLower(question))
		case got.err != nil:
			return "", fmt.Errorf("read the %s from the terminal: %w", strings.ToLower(question), got.err)
		}
		return string(got.text), nil
	}
}

// waitHidden waits until the terminal has turned echo off, so that it does not show text
// typed after the question. It waits only about 100 ms, because the state never changes on
// a terminal whose echo was already off.
func waitHidden(fd int, before *term.State) {
	for range 100 {
		if now, err := term.GetState(fd); err != nil || *now != *before {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// ReadSecretInput reads a secret from stdin, for flags such as --password-stdin, or asks for
// it if stdin is a terminal. It removes line breaks at the end.
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
		return "", Usagef("stdin is empty, expected a %s", strings.ToLower(question))
	}
	return line, nil
}

// maxTypedSecret is the maximum length of a password or token in bytes.
const maxTypedSecret = 64 << 10
