package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func TestStateSurvivesARestart(t *testing.T) {
	hook := startHook(t)
	file := filepath.Join(t.TempDir(), "state")
	before := start(t, Options{StateFile: file})
	before.webhook(hook.URL)
	pat := before.as(before.token, "POST", useradm+"/settings/tokens", `{"name":"ci"}`).body
	if err := before.box.Provision(webhook.Device{ID: "device"}); err != nil {
		t.Fatal(err)
	}
	before.settle()
	asked := []string{iot + "/integrations", iot + "/events", useradm + "/settings/tokens", useradm + "/users/me", iot + "/devices/device/state"}
	answers := func(c *client) map[string]string {
		got := map[string]string{}
		for _, path := range asked {
			a := c.as(pat, "GET", path, "")
			a.expect(t, 200, "")
			got[path] = a.body
		}
		return got
	}
	want := answers(before)
	if err := before.box.Close(); err != nil {
		t.Fatal(err)
	}

	after := start(t, Options{StateFile: file, History: 10}) // a history is only added to a new state
	if diff := cmp.Diff(want, answers(after)); diff != "" {
		t.Errorf("after the restart (-before +after):\n%s", diff)
	}
	if before.token != after.token {
		t.Error("the admin's token is another one after a restart")
	}
	after.box.Decommission("device")
	after.settle()
	if hook.signed != 2 {
		t.Errorf("%d of %d deliveries signed with the secret, want 2: it did not survive", hook.signed, len(hook.received()))
	}
}

func TestStateIsSavedWhileRunning(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	c := start(t, Options{StateFile: file})
	id := c.webhook("http://x.example")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), id) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a new webhook is not saved")
		}
	}
}

func TestStateFileIsPrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	stateIn(t, file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a new file has mode %v, %v; want 0600", info.Mode(), err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{StateFile: file}); err == nil || !strings.Contains(err.Error(), "0644") {
		t.Errorf("got %v; want an error that names the mode, since the file holds tokens", err)
	}
}

func TestStateFilesThatAreNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	stateIn(t, file)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, content, message string }{
		{"torn", string(good[:len(good)/2]), "incomplete, or not a state file of the sandbox: unexpected end of JSON input"},
		{"empty", "", "incomplete, or not a state file of the sandbox"},
		{"foreign", `{"name":"package"}`, "unsupported format \"\": must be"},
		{"without key", `{"format":"` + stateFormat + `"}`, "no token key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := New(Options{StateFile: file})
			if err == nil || !strings.Contains(err.Error(), tt.message) || !strings.Contains(err.Error(), file) {
				t.Errorf("error %v, want one about %s that says %q", err, file, tt.message)
			}
			if now, _ := os.ReadFile(file); string(now) != tt.content {
				t.Error("the file was changed")
			}
		})
	}
	if _, err := New(Options{StateFile: filepath.Join(file, "below-a-file")}); err == nil {
		t.Error("no error for a file that can't be")
	}
}

// stateIn writes a sandbox's state file.
func stateIn(t *testing.T, file string) {
	t.Helper()
	if err := start(t, Options{StateFile: file}).box.Close(); err != nil {
		t.Fatal(err)
	}
}
