package cli

import (
	"context"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/prompt"
)

// Interactive reports whether prompts are possible. They go to stderr, so stdout may be a
// pipe.
func (a *App) Interactive() bool { return IsTerminal(a.In) && IsTerminal(a.Err) }

// Prompt returns the terminal to ask questions on. Call it only if Interactive.
func (a *App) Prompt() prompt.Terminal {
	return prompt.Terminal{In: a.In, Out: a.Err, Width: widthOf(a.Err)}
}

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
	confirmed, err := a.Prompt().Confirm(ctx, question)
	if err == nil && !confirmed {
		err = Failf(fault.Failed, "not confirmed; nothing was changed")
	}
	return err
}

// ReadSecretInput reads a secret from stdin, for flags such as --password-stdin, or asks for
// it if stdin is a terminal. It removes line breaks at the end.
func (a *App) ReadSecretInput(ctx context.Context, question string) (string, error) {
	if IsTerminal(a.In) {
		return a.Prompt().Secret(ctx, question)
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
