package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/child"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
)

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// TestReport checks the exit code and the message of each kind of error.
func TestReport(t *testing.T) {
	t.Parallel()
	_, closed := output.Stdout(failingWriter{syscall.EPIPE}).Write([]byte("x"))
	lost := errors.New("write tcp 127.0.0.1: broken pipe")
	interrupted, cancel := context.WithCancel(context.Background())
	cancel()
	for name, test := range map[string]struct {
		ctx  context.Context
		err  error
		code int
		said string
	}{
		"fine":                                {nil, nil, 0, ""},
		"a reader that went away":             {nil, fmt.Errorf("list: %w", closed), 0, ""},
		"a connection that broke":             {nil, fmt.Errorf("write tcp: %w", syscall.EPIPE), 1, "error: write tcp: broken pipe\n"},
		"a reader gone, and a real failure":   {nil, errors.Join(closed, errors.New("the store is damaged")), 1, "error: broken pipe; the store is damaged\n"},
		"the same from two places":            {nil, errors.Join(lost, lost), 1, "error: write tcp 127.0.0.1: broken pipe\n"},
		"two lines":                           {nil, errors.Join(lost, errors.New("close")), 1, "error: write tcp 127.0.0.1: broken pipe; close\n"},
		"a hint":                              {nil, fault.WithHint(fault.New(fault.Conflict, "it exists"), "delete it"), 5, "error: it exists\nhint: delete it\n"},
		"interrupted":                         {interrupted, fmt.Errorf("get: %w", context.Canceled), 130, "error: interrupted\n"},
		"interrupted, with a result":          {interrupted, fault.New(fault.Failed, "1 of 2 events were not delivered"), 130, "error: 1 of 2 events were not delivered\n"},
		"interrupted, in words of a command":  {interrupted, fault.New(fault.Interrupted, "interrupted after 1 of 2 events: %w", context.Canceled), 130, "error: interrupted after 1 of 2 events: context canceled\n"},
		"interrupted, and all went well":      {interrupted, nil, 0, ""},
		"a child's exit code":                 {nil, &child.Error{Code: 77}, 77, ""},
		"a kind that the output has said all": {nil, &cli.SilentError{Kind: fault.Differs}, 8, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said bytes.Buffer
			a := &cli.App{Err: &said, Env: func(string) (string, bool) { return "", false }}
			ctx := test.ctx
			if ctx == nil {
				ctx = context.Background()
			}
			if code := report(ctx, a, test.err); code != test.code || said.String() != test.said {
				t.Errorf("got %d, %q; want %d, %q", code, said.String(), test.code, test.said)
			}
		})
	}
}

// TestInterruptedRedeliverExitsWith130 interrupts redeliver while the application
// handles the last event.
func TestInterruptedRedeliverExitsWith130(t *testing.T) {
	t.Parallel()
	m := newMachine(t, sandbox.Options{History: 3})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	application := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // otherwise the server does not notice that the client is gone
		cancel()
		<-r.Context().Done()
	}))
	defer application.Close()
	code, out, said := m.run("activity", "--limit", "1", "-o", "name", "--skip-verify")
	if code != 0 {
		t.Fatalf("activity: %d, %s", code, said)
	}
	var stdout, stderr bytes.Buffer
	a := &cli.App{In: strings.NewReader(""), Out: &stdout, Err: &stderr, Now: time.Now, ExitCode: exitCode,
		Env: func(name string) (string, bool) { v, ok := m.env[name]; return v, ok }}
	line := []string{"redeliver", strings.TrimSpace(out), "--to", application.URL, "--secret", "00ff", "--skip-verify"}
	code = run(context.Background(), a, line, func(context.Context, chan<- os.Signal) context.Context { return ctx })
	if code != 130 {
		t.Errorf("exit code %d, want 130\n%s", code, stderr.String())
	}
}

// TestClosedStdoutIsNotAnError also covers Cobra's own output.
func TestClosedStdoutIsNotAnError(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"completion bash", "completion zsh", "help environment", "version", "list --help"} {
		gone := &goneReader{}
		var stderr bytes.Buffer
		none := func(string) (string, bool) { return "", false }
		code := Run(t.Context(), strings.Fields(line), cli.Streams{In: strings.NewReader(""), Out: gone, Err: &stderr}, none, nil)
		if code != 0 || stderr.Len() > 0 || !gone.asked {
			t.Errorf("%s: exit code %d, written to: %t, %s", line, code, gone.asked, stderr.String())
		}
	}
}

// goneReader is a stdout that no one reads any longer.
type goneReader struct{ asked bool }

func (g *goneReader) Write([]byte) (int, error) {
	g.asked = true
	return 0, syscall.EPIPE
}
