package listener

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func savable(id string, verdict webhook.Verdict, body string) Received {
	var x receiver.Exchange
	x.Path, x.ID, x.Body = "/mender?a=b", id, []byte(body)
	x.Header = http.Header{"X-Men-Signature": {"00ff"}, "Authorization": {"Basic aHVudGVyMg=="}}
	x.ReceivedAt = time.Date(2026, 11, 23, 10, 0, 0, 5, time.UTC)
	x.Verification.Verdict = verdict
	return Received{Exchange: x}
}

func TestSavedRequestsAreMessages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "saved")
	s, err := NewSaver(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for id, want := range map[string]string{
		"48919a10-2fbd-4ab4-8420-e2cb959938a4": `^20261123T100000-\d+-48919a10-2fbd-4ab4-8420-e2cb959938a4\.http$`,
		"../../etc/passwd":                     `^20261123T100000-\d+\.http$`,
	} {
		name, err := s.Save(savable(id, webhook.Valid, "{\"x\":1}\n").masked().(Received))
		if err != nil || !regexp.MustCompile(want).MatchString(name) {
			t.Errorf("%s: %q, %v", id, name, err)
		}
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		m, err := webhook.ParseMessage(data)
		if err != nil || m.Path != "/mender?a=b" || !bytes.Equal(m.Body, []byte("{\"x\":1}\n")) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
		if strings.Contains(string(data), "aHVudGVyMg") {
			t.Errorf("%s holds credentials:\n%s", name, data)
		}
	}
	// Without a valid signature, the id is not part of the name.
	name, err := s.Save(savable("48919a10-2fbd-4ab4-8420-e2cb959938a4", webhook.Invalid, "{}"))
	if err != nil || strings.Contains(name, "48919a10") {
		t.Errorf("%q, %v", name, err)
	}
}

// TestSavingIsBounded removes the oldest of its own files, and no others.
func TestSavingIsBounded(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "20261123T100000-1.http")
	if err := os.WriteFile(other, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := NewSaver(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for range maxSaved + 10 {
		if _, err := s.Save(savable("", webhook.Rejected, "x")); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != maxSaved+1 {
		t.Errorf("%d files, %v", len(files), err)
	}
	if data, err := os.ReadFile(other); string(data) != "mine" {
		t.Errorf("a file of someone else: %q, %v", data, err)
	}
	s.bytes = maxSavedBytes // as if all earlier files were large
	if _, err := s.Save(savable("", webhook.Rejected, "x")); err != nil || s.bytes > maxSavedBytes {
		t.Errorf("%d bytes, %v", s.bytes, err)
	}
}

// TestSavingFollowsNoLink puts a link where the next file will be.
func TestSavingFollowsNoLink(t *testing.T) {
	dir, target := t.TempDir(), filepath.Join(t.TempDir(), "target")
	if err := os.Symlink(target, filepath.Join(dir, "20261123T100000-1.http")); err != nil {
		t.Skip(err)
	}
	s, err := NewSaver(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	name, err := s.Save(savable("", webhook.Rejected, "x"))
	if err != nil || name != "20261123T100000-2.http" {
		t.Errorf("%q, %v", name, err)
	}
	if _, err := os.Stat(target); err == nil {
		t.Error("the link was followed")
	}
}
