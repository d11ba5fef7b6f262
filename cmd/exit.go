package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/child"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// exitCode returns the exit code for errors of a kind.
// `mender-webhooks help exit-codes` lists the codes.
func exitCode(kind fault.Kind) int {
	switch kind {
	case fault.Usage:
		return 2
	case fault.NotFound:
		return 3
	case fault.Access:
		return 4
	case fault.Conflict:
		return 5
	case fault.Unavailable:
		return 6
	case fault.Timeout:
		return 7
	case fault.Differs:
		return 8
	case fault.Interrupted:
		return 130
	case fault.Failed, fault.Unspecified:
	}
	return 1
}

// report prints the error of a command and returns the exit code. If a signal
// ended ctx, it reports the command as interrupted, even if the error says
// something else. Only a *cli.EndError keeps its kind, because a signal is how a
// stream normally ends, and a *child.Error its exit code, because the program
// has handled the signal.
func report(ctx context.Context, a *cli.App, err error) int {
	var silent *cli.SilentError
	var ended *child.Error
	var many *cli.ProfilesError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &many):
		return reportEach(ctx, a, many)
	case errors.As(err, &ended) && ended.Err == nil:
		return ended.Code
	case errors.As(err, &silent):
		return exitCode(silent.Kind)
	case output.IsClosed(err):
		return 0 // the reader of stdout has read enough
	}
	return reportOne(ctx, a, a, err)
}

// reportEach reports the errors of several profiles. The exit code is theirs if all have
// the same, and otherwise 1. Profiles that a signal only ended are reported once.
func reportEach(ctx context.Context, a *cli.App, many *cli.ProfilesError) int {
	codes := map[int]bool{}
	for _, f := range many.Failures {
		var silent *cli.SilentError
		switch {
		case errors.As(f.Err, &silent):
			codes[exitCode(silent.Kind)] = true
		case ctx.Err() == nil || !onlyInterrupted(f.Err):
			codes[reportOne(ctx, a, f.App, f.Err)] = true
		}
	}
	switch {
	case ctx.Err() != nil:
		return reportOne(ctx, a, a, ctx.Err())
	case len(codes) == 1:
		return slices.Collect(maps.Keys(codes))[0]
	}
	return exitCode(fault.Failed)
}

// reportOne prints an error of the command, or of one of its profiles, and returns the
// exit code.
func reportOne(ctx context.Context, a, profile *cli.App, err error) int {
	f := profile.Describe(err)
	var end *cli.EndError
	if ctx.Err() != nil && !errors.As(err, &end) {
		f.Kind = fault.Interrupted
	}
	code := exitCode(f.Kind)
	var ended *child.Error
	if errors.As(err, &ended) {
		code = ended.Code
	}
	log := a.LogsJSON()
	switch {
	case log != nil:
		attrs := []any{"code", code}
		if f.Hint != "" {
			attrs = append(attrs, "hint", f.Hint)
		}
		log.Error(f.Message, attrs...)
	case a.Flags.Output == string(output.JSON):
		printJSON(a, f, code)
	default:
		printText(a, err, f)
	}
	return code
}

func printJSON(a *cli.App, f cli.Failure, code int) {
	enc := json.NewEncoder(a.Err)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(struct { // without stderr, an error cannot be reported
		Profile   string `json:"profile,omitempty"`
		Message   string `json:"error"`
		Code      int    `json:"code"`
		Status    int    `json:"status,omitempty"`
		RequestID string `json:"request_id,omitempty"`
		Hint      string `json:"hint,omitempty"`
	}{f.Profile, f.Message, code, f.Status, f.RequestID, f.Hint})
}

func printText(a *cli.App, err error, f cli.Failure) {
	switch {
	case f.Kind != fault.Interrupted || !errors.Is(err, context.Canceled) || hasOwnError(err):
	case onlyInterrupted(err):
		f.Message, f.RequestID = "interrupted", ""
	default:
		f.Message = "interrupted: " + f.Message
	}
	if f.Profile != "" {
		f.Message = "profile " + f.Profile + ": " + f.Message
	}
	if f.RequestID != "" {
		f.Message += " (request id " + f.RequestID + ")"
	}
	a.PrintError(f.Message)
	if f.Hint != "" {
		a.PrintHint(f.Hint)
	}
}

// onlyInterrupted reports whether an error only says that a signal ended the command, and
// nothing about a request that may have changed something.
func onlyInterrupted(err error) bool {
	var api *mender.Error
	return errors.Is(err, context.Canceled) && !hasOwnError(err) && (!errors.As(err, &api) || api.Method == http.MethodGet)
}

// hasOwnError reports whether the command described the interruption with an error of its
// own, which is printed instead of "interrupted".
func hasOwnError(err error) bool {
	var own *fault.Error
	return errors.As(err, &own) && fault.KindOf(err) == own.Kind && own.Kind != fault.Unspecified
}
