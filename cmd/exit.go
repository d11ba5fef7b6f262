package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
// regular end of a stream, and a *cli.CodeError its exit code, because a child process
// has handled the signal.
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
	code := exitCode(f.Kind)
	var child *cli.CodeError
	if errors.As(err, &child) {
		code = child.Code
	}
	if a.Flags.Output == string(output.JSON) {
		printJSON(a, f, code)
	} else {
		printText(a, err, f)
	}
	return code
}

func printJSON(a *cli.App, f cli.Failure, code int) {
	enc := json.NewEncoder(a.Err)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(struct { // without stderr, an error cannot be reported
		Message   string `json:"error"`
		Code      int    `json:"code"`
		Status    int    `json:"status,omitempty"`
		RequestID string `json:"request_id,omitempty"`
		Hint      string `json:"hint,omitempty"`
	}{f.Message, code, f.Status, f.RequestID, f.Hint})
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
	text := output.Safe(f.Message)
	if f.RequestID != "" {
		text += " (request id " + output.Safe(f.RequestID) + ")"
	}
	fmt.Fprintf(a.Err, "%s %s\n", a.ErrStyle().Red("error:"), text)
	if f.Hint != "" {
		fmt.Fprintf(a.Err, "%s %s\n", a.ErrStyle().Bold("hint:"), output.Safe(f.Hint))
	}
}

// says reports whether the command described the interruption with an error of its
// own, which is printed instead of "interrupted".
func says(err error) bool {
	var own *fault.Error
	return errors.As(err, &own) && fault.KindOf(err) == own.Kind && own.Kind != fault.Unspecified
}
