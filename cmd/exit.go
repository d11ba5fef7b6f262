package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
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
// something else. Only a *cli.EndError keeps its kind, because a signal is the
// regular end of a stream.
func report(ctx context.Context, a *cli.App, err error) int {
	var silent *cli.SilentError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &silent) && silent.Code != 0:
		return silent.Code
	case errors.As(err, &silent):
		return exitCode(silent.Kind)
	case output.IsClosed(err):
		return 0 // the reader of stdout has read enough
	}
	f := a.Describe(err)
	var end *cli.EndError
	if ctx.Err() != nil && !errors.As(err, &end) {
		f.Kind = fault.Interrupted
	}
	if a.Flags.Output == string(output.JSON) {
		printJSON(a, f)
	} else {
		printText(a, err, f)
	}
	return exitCode(f.Kind)
}

func printJSON(a *cli.App, f cli.Failure) {
	enc := json.NewEncoder(a.Err)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(struct { // without stderr, an error cannot be reported
		Message   string `json:"error"`
		Code      int    `json:"code"`
		Status    int    `json:"status,omitempty"`
		RequestID string `json:"request_id,omitempty"`
		Hint      string `json:"hint,omitempty"`
	}{f.Message, exitCode(f.Kind), f.Status, f.RequestID, f.Hint})
}

func printText(a *cli.App, err error, f cli.Failure) {
	if f.Kind == fault.Interrupted && errors.Is(err, context.Canceled) && !says(err) {
		var api *mender.Error
		if errors.As(err, &api) && api.Method != http.MethodGet { // the request may have changed something
			f.Message = "interrupted: " + f.Message
		} else {
			f.Message, f.RequestID = "interrupted", ""
		}
	}
	if f.RequestID != "" {
		f.Message += " (request id " + f.RequestID + ")"
	}
	a.PrintError(f.Message)
	if f.Hint != "" {
		a.PrintHint(f.Hint)
	}
}

// says reports whether the command described the interruption with an error of its
// own, which is printed instead of "interrupted".
func says(err error) bool {
	var own *fault.Error
	return errors.As(err, &own) && fault.KindOf(err) == own.Kind && own.Kind != fault.Unspecified
}
