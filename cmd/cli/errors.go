package cli

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// The kinds of errors that commands return themselves.
const (
	ExitFailed   = fault.Failed
	ExitUsage    = fault.Usage
	ExitNotFound = fault.NotFound
	ExitAccess   = fault.Access
	ExitConflict = fault.Conflict
	ExitServer   = fault.Unavailable
	ExitTimeout  = fault.Timeout
	ExitDiffers  = fault.Differs
)

// Usagef is an error in what the user gave: nothing was sent.
func Usagef(format string, args ...any) error { return fault.Usagef(format, args...) }

// Failf is an error with a kind.
func Failf(kind fault.Kind, format string, args ...any) error {
	return fault.New(kind, format, args...)
}

// Hinted adds the next step to an error, and keeps its kind.
func Hinted(err error, format string, args ...any) error { return fault.WithHint(err, format, args...) }

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

// SilentError is an error that ends the program with nothing on stderr, where the
// output has said it all, or a child has. Code, if not 0, is a child's exit
// code.
type SilentError struct {
	Kind fault.Kind
	Code int
}

func (e *SilentError) Error() string { return fmt.Sprintf("kind %d, exit code %d", e.Kind, e.Code) }

// Failure is an error as a user sees it.
type Failure struct {
	Kind      fault.Kind
	Message   string // one line
	Status    int    // the server's, or 0
	RequestID string
	Hint      string
}

// Classify describes an error.
func Classify(err error) Failure {
	f := Failure{Kind: fault.KindOf(err), Message: oneLine(err), Hint: fault.HintOf(err)}
	var api *mender.Error
	if errors.As(err, &api) {
		f.Status, f.RequestID = api.StatusCode, api.RequestID
	}
	if f.Kind == fault.Unspecified {
		f.Kind = fault.Failed
	}
	return f
}

// oneLine joins the lines of errors.Join, each once.
func oneLine(err error) string {
	var lines []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
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

// Describe is Classify with the hints that need the settings: what is wrong
// with the server's address, the token or the role.
func (a *App) Describe(err error) Failure {
	f := Classify(err)
	switch {
	case f.Hint != "":
	case f.Status == http.StatusUnauthorized:
		f.Hint = a.TokenHint()
	case f.Status == http.StatusForbidden:
		f.Hint = a.RoleHint()
	}
	return f
}
