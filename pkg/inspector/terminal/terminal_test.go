//go:build unix

package terminal_test

import (
	"context"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"go.uber.org/goleak"
	"golang.org/x/term"

	"github.com/mender-webhooks/mender-webhooks/pkg/inspector/history"
	"github.com/mender-webhooks/mender-webhooks/pkg/inspector/terminal"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// run runs a screen with one request on a pseudo-terminal, and calls act when the
// request is shown. It checks that the terminal is restored.
func run(ctx context.Context, t *testing.T, act func(keys io.Writer)) error {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	before, err := term.GetState(int(slave.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	shown := make(chan string, 1)
	go func() {
		var text strings.Builder
		buf := make([]byte, 4096)
		for acted := false; !strings.Contains(text.String(), "\x1b[?1049l") || !strings.Contains(text.String(), "\x1b[?25h"); {
			n, err := master.Read(buf)
			if err != nil {
				break
			}
			text.Write(buf[:n])
			if !acted && strings.Contains(text.String(), "valid") {
				acted = true
				act(master)
			}
		}
		shown <- text.String()
	}()
	failed := terminal.Run(ctx, terminal.Options{
		In: slave, Out: slave, Log: output.NewHeld(io.Discard),
		Title: func() string { return "" }, Totals: func() string { return "" },
		Items: func(ctx context.Context) iter.Seq[history.Item] {
			return func(yield func(history.Item) bool) {
				yield(history.Item{Number: 1, Kind: history.Received, Verdict: "valid"})
				<-ctx.Done()
			}
		},
		Good:    func(string) bool { return true },
		Details: func(uint64) (history.Details, error) { panic("a mistake") },
	})
	after, err := term.GetState(int(slave.Fd()))
	if err != nil || *after != *before {
		t.Errorf("the terminal's settings are not restored: %v", err)
	}
	select {
	case <-shown:
	case <-time.After(20 * time.Second):
		t.Fatal("the alternate screen is not left, or the cursor is not shown")
	}
	return failed
}

func TestTheContextEndsTheScreen(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := run(ctx, t, func(io.Writer) { cancel() }); err != nil {
		t.Error(err)
	}
}

func TestAPanicRestoresTheTerminal(t *testing.T) {
	defer goleak.VerifyNone(t)
	err := run(t.Context(), t, func(keys io.Writer) { _, _ = io.WriteString(keys, "\r") })
	if err == nil || !strings.Contains(err.Error(), "panic") {
		t.Errorf("error %v", err)
	}
}
