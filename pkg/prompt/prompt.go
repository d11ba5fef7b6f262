// Package prompt asks questions on a terminal.
package prompt

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

// Terminal is where questions are asked and answered.
type Terminal struct {
	In  io.Reader // a terminal, as an *os.File, for Secret
	Out io.Writer
	// Width is the width of Out in columns.
	Width int
}

// Confirm asks a question and reports whether the answer is yes.
func (t Terminal) Confirm(ctx context.Context, question string) (bool, error) {
	const answers = " [y/N] "
	fmt.Fprint(t.Out, output.WrapLines(output.Safe(question), t.Width-len(answers)), answers)
	line, err := t.readLine(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", nil
}

// Line asks for a line. An empty line accepts the suggested answer. It is a usage error if
// nothing is entered or suggested.
func (t Terminal) Line(ctx context.Context, question, suggested string) (string, error) {
	prompt := question
	if suggested != "" {
		prompt += " [" + suggested + "]"
	}
	fmt.Fprintf(t.Out, "%s: ", output.Safe(prompt))
	line, err := t.readLine(ctx)
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
		return "", fault.Usagef("no %s entered", strings.ToLower(question))
	}
	return line, nil
}

// readLine waits until a line is entered, the input ends (Ctrl-D on an empty line; the
// error is io.EOF), or ctx is done. If ctx is done first, the read continues in the
// background until the process ends.
func (t Terminal) readLine(ctx context.Context) (string, error) {
	type answer struct {
		line string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(t.In).ReadString('\n')
		answers <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(t.Out)
		return "", ctx.Err()
	case got := <-answers:
		switch {
		case errors.Is(got.err, io.EOF) && got.line == "":
			fmt.Fprintln(t.Out)
			return "", io.EOF
		case got.err != nil && !errors.Is(got.err, io.EOF):
			return "", fmt.Errorf("read the answer: %w", got.err)
		}
		return got.line, nil
	}
}

// Secret asks for a secret without echo. It always turns echo on again. It is a usage
// error if nothing is entered.
func (t Terminal) Secret(ctx context.Context, question string) (string, error) {
	fd := int(t.In.(*os.File).Fd())
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
	fmt.Fprintf(t.Out, "%s: ", output.Safe(question))
	defer fmt.Fprintln(t.Out) // because Enter was not echoed
	select {
	case <-ctx.Done():
		_ = term.Restore(fd, state) // the reading goroutine ends with the process
		return "", ctx.Err()
	case got := <-answers:
		switch text := strings.TrimSpace(string(got.text)); {
		case errors.Is(got.err, io.EOF), got.err == nil && text == "":
			return "", fault.Usagef("no %s entered", strings.ToLower(question))
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
