package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
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
		f.Status = api.StatusCode
		if !neverSent(err) {
			f.RequestID = api.RequestID
		}
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
	var broken *secret.Error
	if f.Hint == "" && errors.As(err, &broken) {
		f.Hint = broken.Hint
	}
	if f.Hint == "" {
		f.Hint = fault.HintOf(err)
	}
	if f.Hint == "" {
		f.Hint = standardHint(err)
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
	switch {
	case errors.As(err, &wrong), errors.Is(err, mender.ErrInsecure):
		return ExitUsage
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, mender.ErrNotFound):
		return ExitNotFound
	case errors.Is(err, mender.ErrUnauthorized), errors.Is(err, mender.ErrForbidden):
		return ExitAccess
	case errors.Is(err, mender.ErrConflict):
		return ExitConflict
	case errors.Is(err, mender.ErrUnreachable), errors.Is(err, mender.ErrRateLimited),
		errors.Is(err, mender.ErrBadAnswer), errors.Is(err, mender.ErrOutcomeUnknown):
		return ExitServer
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

// standardHint is the next step where the command has none of its own.
func standardHint(err error) string {
	switch {
	case errors.Is(err, mender.ErrOutcomeUnknown):
		return "look with `mender-webhooks list` before trying again"
	case errors.Is(err, mender.ErrInsecure):
		return "use https, or say --allow-http if you know that nobody listens in between"
	case errors.Is(err, mender.ErrRateLimited) && !errors.Is(err, context.Canceled):
		return "the server limits how often it is asked; wait a little and try again"
	case errors.Is(err, mender.ErrBadAnswer):
		return "is --server (or MENDER_SERVER_URL) really a Mender server? --debug shows what came"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "plain http is spoken there: write http:// in front of the server's address if that is right"
	case errors.Is(err, mender.ErrCertificate):
		return "an authority of your own is trusted with --ca-cert FILE (or MENDER_CA_CERT); `mender-webhooks doctor` looks closer"
	case neverSent(err):
		return "is it the right server? `mender-webhooks doctor` looks for what is in the way"
	}
	return ""
}

// neverSent reports whether there was no connection at all: the id of such a
// request tells nobody anything.
func neverSent(err error) bool {
	var dial *net.OpError
	return errors.Is(err, mender.ErrUnreachable) &&
		(errors.As(err, &dial) && dial.Op == "dial" || errors.Is(err, http.ErrSchemeMismatch) || errors.Is(err, mender.ErrCertificate))
}

// pathHint is for a server's address that was copied with the path of a page
// or of the API.
func (a *App) pathHint() string {
	if a.cached == nil {
		return ""
	}
	u, err := url.Parse(a.cached.Server)
	if err != nil || strings.Trim(u.Path, "/") == "" {
		return ""
	}
	return fmt.Sprintf("the server's address usually has no path: %s://%s", u.Scheme, u.Host)
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
	case errors.Is(err, mender.ErrBadAnswer) && a.pathHint() != "":
		f.Hint = a.pathHint()
	case f.Hint != "":
	case errors.Is(err, mender.ErrUnauthorized):
		f.Hint = a.TokenHint()
	case errors.Is(err, mender.ErrForbidden):
		f.Hint = a.RoleHint()
	}
	if a.Flags.Output == string(output.JSON) {
		enc := json.NewEncoder(a.Err)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(f) // nowhere is left to say that stderr is gone
		return f.Code
	}
	if f.Code == exitInterrupted {
		f.Message = interrupted(err)
		if !errors.Is(err, mender.ErrOutcomeUnknown) {
			f.RequestID = "" // nobody has to look for it
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
