package cli

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// Usagef returns a usage error, which means that the input is invalid and nothing was sent.
func Usagef(format string, args ...any) error { return fault.Usagef(format, args...) }

// Failf returns an error of the given kind.
func Failf(kind fault.Kind, format string, args ...any) error {
	return fault.New(kind, format, args...)
}

// Hinted adds a hint to an error without changing its kind.
func Hinted(err error, format string, args ...any) error { return fault.WithHint(err, format, args...) }

// Also joins two errors on one line. Either or both may be nil.
func Also(err, more error) error {
	switch {
	case err == nil:
		return more
	case more == nil:
		return err
	}
	return fmt.Errorf("%w; and %w", err, more)
}

// SilentError is an error that is not printed, because the output has already explained it.
type SilentError struct{ Kind fault.Kind }

func (e *SilentError) Error() string { return fmt.Sprintf("kind %d", e.Kind) }

// Failure is an error in the form in which it is printed.
type Failure struct {
	Profile   string // of one of several profiles, or empty
	Kind      fault.Kind
	Message   string // one line
	Status    int    // HTTP status of the server, or 0
	RequestID string
	Hint      string
}

// classify returns the Failure for an error.
func classify(err error) Failure {
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

// oneLine puts the lines of errors.Join on one line, without duplicates.
func oneLine(err error) string {
	var lines []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

// tokenHint explains why the server may have refused the token, and how to get a new one.
func (a *App) tokenHint() string {
	if a.cached == nil || a.cached.Token.Value == "" {
		return ""
	}
	t := a.cached.Token
	claims, err := mender.ParseClaims(t.Value)
	switch {
	case err != nil:
		return fmt.Sprintf("the token (from %s) is not a Mender token; %s", t.From, Renewal(t))
	case claims.Expired(a.Now()):
		return fmt.Sprintf("the token (from %s) expired on %s; %s", t.From, a.Time(claims.ExpiresAt), Renewal(t))
	}
	return fmt.Sprintf("the token (from %s) belongs to another server, was revoked, or was ended by newer sessions; %s", t.From, Renewal(t))
}

// roleHint explains which role is missing, and which plan the organization has.
func (a *App) roleHint() string {
	plan := ""
	if a.cached != nil {
		if claims, err := mender.ParseClaims(a.cached.Token.Value); err == nil && claims.Plan != "" {
			plan = " (this organization has the plan " + claims.Plan + ")"
		}
	}
	return "changing integrations requires the Admin permission: ask an administrator of the organization for a role with it. " +
		"Roles require the Enterprise plan" + plan
}

// Describe classifies an error and, if it has no hint yet, adds one about the server's
// address, the token or the role.
func (a *App) Describe(err error) Failure {
	f := classify(err)
	f.Profile = a.profile
	switch {
	case f.Hint != "":
	case f.Status == http.StatusUnauthorized:
		f.Hint = a.tokenHint()
	case f.Status == http.StatusForbidden:
		f.Hint = a.roleHint()
	}
	return f
}
