package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestLogLimitsMessages floods the log with one message and writes another.
func TestLogLimitsMessages(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	var shown bytes.Buffer
	a := &App{Err: &shown, Now: func() time.Time { return now }}
	if err := (&LogFlag{format: logText}).Begin(a); err != nil {
		t.Fatal(err)
	}
	for n := range 1000 {
		a.Warn("accept: %d", n)
	}
	a.Say("another")
	if n := strings.Count(shown.String(), "\n"); n != 21 || !strings.Contains(shown.String(), "level=INFO msg=another") {
		t.Errorf("%d lines:\n%s", n, &shown)
	}
	now = now.Add(time.Minute)
	a.Warn("accept: %d", 1000)
	if want := `level=WARN msg="accept: 1000" not_logged=980`; !strings.Contains(shown.String(), want) {
		t.Errorf("no %q in\n%s", want, &shown)
	}
}
