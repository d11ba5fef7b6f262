package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// The exit codes, as `mender-webhooks help exit-codes` tells them.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitNotFound    = 3
	ExitAccess      = 4
	ExitConflict    = 5
	ExitServer      = 6
	ExitTimeout     = 7
	ExitDiffers     = 8
	exitInterrupted = 130
)

// CliError is an error whose exit code, or next step, the command knows
// better than its type tells.
type CliError struct {
	Code int // 0: what classify makes of err
	Err  error
	Hint string
}

func (e *CliError) Error() string { return e.Err.Error() }

func (e *CliError) Unwrap() error { return e.Err }

// Usagef is an error in what the user gave: nothing was sent.
func Usagef(format string, args ...any) error {
	return &CliError{Code: ExitUsage, Err: fmt.Errorf(format, args...)}
}

// Failf is an error with an exit code of its own.
func Failf(code int, format string, args ...any) error {
	return &CliError{Code: code, Err: fmt.Errorf(format, args...)}
}

// Hinted adds the next step to an error. It keeps the error's exit code.
func Hinted(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &CliError{Err: err, Hint: fmt.Sprintf(format, args...)}
}

// Also is two errors in one line, either of which may be nil.
func Also(err, more error) error {
	switch {
	case err == nil:
		return more
	case more == nil:
		return err
	}
	return fmt.Errorf("%w; and %w", err, more)
}

// silentError ends the program with a code and nothing on stderr, where the
// output has said it all, or a child has.
type silentError int

func (e silentError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// failure is an error as a user sees it. Its fields are those of the error
// object of -o json.
type failure struct {
	Message   string `json:"error"`
	Code      int    `json:"code"`
	Status    int    `json:"status,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	Hint      string `json:"hint,omitempty"`
}

// Classify is the one place where an error becomes an exit code.
func Classify(err error) failure {
	f := failure{Message: err.Error(), Code: codeOf(err)}
	var api *mender.Error
	if errors.As(err, &api) {
		f.Status, f.RequestID = api.StatusCode, api.RequestID
	}
	for e := err; f.Hint == "" && e != nil; {
		var c *CliError
		if !errors.As(e, &c) {
			break
		}
		f.Hint, e = c.Hint, c.Err
	}
	var wrong *config.UsageError
	if f.Hint == "" && errors.As(err, &wrong) {
		f.Hint = wrong.Hint
	}
	if f.Hint == "" {
		f.Hint = fault.HintOf(err)
	}
	return f
}

func codeOf(err error) int {
	for e := err; e != nil; {
		var c *CliError
		if !errors.As(e, &c) {
			break
		}
		if c.Code != 0 {
			return c.Code
		}
		e = c.Err
	}
	if code, ok := codeOfKind(fault.KindOf(err)); ok {
		return code
	}
	var wrong *config.UsageError
	if errors.As(err, &wrong) {
		return ExitUsage
	}
	return ExitFailed
}

// codeOfKind returns the exit code of a kind, and whether it has one.
func codeOfKind(k fault.Kind) (int, bool) {
	code, ok := map[fault.Kind]int{
		fault.Failed: ExitFailed, fault.Usage: ExitUsage, fault.NotFound: ExitNotFound, fault.Access: ExitAccess,
		fault.Conflict: ExitConflict, fault.Unavailable: ExitServer, fault.Timeout: ExitTimeout,
		fault.Differs: ExitDiffers, fault.Interrupted: exitInterrupted,
	}[k]
	return code, ok
}

// TokenHint says what is wrong with a token that the server refused, as far
// as the token itself tells, and how to get another one.
func (a *App) TokenHint() string {
	if a.cached == nil || a.cached.Token.Value == "" {
		return ""
	}
	t := a.cached.Token
	claims, err := mender.ParseClaims(t.Value)
	switch {
	case err != nil:
		return fmt.Sprintf("the token (from %s) is not one of Mender's; %s", t.From, Renewal(t))
	case claims.Expired(a.Now()):
		return fmt.Sprintf("the token (from %s) expired on %s; %s", t.From, output.Time(claims.ExpiresAt, true), Renewal(t))
	}
	return fmt.Sprintf("the token (from %s) is another server's, or was revoked, or was pushed out by newer sessions; %s", t.From, Renewal(t))
}

// RoleHint says what a role lacks, and which plan the organization has.
func (a *App) RoleHint() string {
	plan := ""
	if a.cached != nil {
		if claims, err := mender.ParseClaims(a.cached.Token.Value); err == nil && claims.Plan != "" {
			plan = "; this organization's is " + claims.Plan
		}
	}
	return "the user's role lacks the right: setting up integrations needs the Admin permission. " +
		"Roles come with the Enterprise plan" + plan + "; whoever administers the organization gives them"
}

// Report tells the user of an error and returns the exit code.
func (a *App) Report(err error) int {
	var silent silentError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &silent):
		return int(silent)
	case output.IsClosedPipe(err):
		return ExitOK // the reader has what it wanted
	}
	f := Classify(err)
	switch {
	case f.Hint != "":
	case f.Status == http.StatusUnauthorized:
		f.Hint = a.TokenHint()
	case f.Status == http.StatusForbidden:
		f.Hint = a.RoleHint()
	}
	if a.Flags.Output == string(output.JSON) {
		enc := json.NewEncoder(a.Err)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(f) // nowhere is left to say that stderr is gone
		return f.Code
	}
	if f.Code == exitInterrupted {
		if f.Message = interrupted(err); f.Message == "interrupted" {
			f.RequestID = "" // no one has to look for it
		}
	}
	text := output.Safe(f.Message)
	if f.RequestID != "" {
		text += " (request id " + output.Safe(f.RequestID) + ")"
	}
	fmt.Fprintf(a.Err, "%s %s\n", a.ErrStyle().Red("error:"), text)
	if f.Hint != "" {
		fmt.Fprintf(a.Err, "%s %s\n", a.ErrStyle().Bold("hint:"), output.Safe(f.Hint))
	}
	return f.Code
}

// interrupted says what was interrupted if it may have changed something.
func interrupted(err error) string {
	var api *mender.Error
	if errors.As(err, &api) && api.Method != http.MethodGet {
		return "interrupted: " + err.Error()
	}
	return "interrupted"
}

// Silently is the exit code of a child, as an error.
func Silently(code int) error {
	if code == 0 {
		return nil
	}
	return silentError(code)
}
