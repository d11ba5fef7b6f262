package cmd

import (
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
)

// TestExpiryWarning checks that every command warns before a token expires, and
// not too early.
func TestExpiryWarning(t *testing.T) {
	t.Parallel()
	at := time.Now()
	now := func() time.Time { return at }
	m := newMachine(t, sandbox.Options{Now: now})
	m.now = now
	commands := [][]string{{"list"}, {"whoami"}, {"activity"}, {"token", "list"}}
	for _, args := range commands {
		if code, _, said := m.run(args...); code != 0 || strings.Contains(said, "expires in") {
			t.Errorf("%s: exit code %d, too early a warning:\n%s", args, code, said)
		}
	}
	// If only this machine's clock is ahead, doctor goes by the server's.
	ahead := m
	ahead.now = func() time.Time { return at.Add(6*24*time.Hour + 12*time.Hour) }
	if _, out, _ := ahead.run("doctor"); !strings.Contains(out, "✗  clock") || !strings.Contains(out, "✓  token") {
		t.Errorf("doctor:\n%s", out)
	}
	at = at.Add(6*24*time.Hour + 12*time.Hour)
	for _, args := range commands {
		code, out, said := m.run(args...)
		if code != 0 || !strings.Contains(said, "warning: the token (from MENDER_SERVER_ACCESS_TOKEN) expires in 1") || strings.Contains(out, "expires in") {
			t.Errorf("%s: exit code %d, no warning:\n%s", args, code, said)
		}
		if _, _, said := m.run(append(args, "-q")...); said != "" {
			t.Errorf("%s -q says %q", args, said)
		}
	}
	at = at.Add(24 * time.Hour)
	code, _, said := m.run("list")
	if code != 4 || !strings.Contains(said, "hint: the token (from MENDER_SERVER_ACCESS_TOKEN) expired on ") || !strings.Contains(said, "; create a new one") {
		t.Errorf("expired: exit code %d\n%s", code, said)
	}
}
