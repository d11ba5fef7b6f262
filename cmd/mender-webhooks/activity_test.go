package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/cmd"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// TestForwardTo forwards a log of three events to an application that is busy at
// first and then refuses the second event.
func TestForwardTo(t *testing.T) {
	t.Parallel()
	sb, err := sandbox.New(sandbox.Options{History: 3})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sb)
	t.Cleanup(func() { server.Close(); _ = sb.Close() })
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	dir := t.TempDir()
	secretFile := filepath.Join(dir, "app.secret")

	answers := []int{503, 204, 400, 200}
	var ids []string
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a truncated body fails the checks below
		text, err := os.ReadFile(secretFile)
		if err != nil {
			t.Error(err)
		}
		secret, err := webhook.ParseSecret(strings.TrimSpace(string(text)))
		if err != nil {
			t.Error(err)
		}
		if v := webhook.Verify(r.Header, body, secret); v.Verdict != webhook.Valid {
			t.Errorf("the signature: %v", v)
		}
		if got := r.Header.Get("X-Mender-Webhooks-Rebuilt"); got != "from-log" {
			t.Errorf("it is marked %q", got)
		}
		var event map[string]any
		if err := json.Unmarshal(body, &event); err != nil {
			t.Error(err)
		}
		if event["delivery_statuses"] != nil || event["data"] == nil || event["time"] == nil {
			t.Errorf("the event: %s", body)
		}
		ids = append(ids, event["id"].(string))
		w.WriteHeader(answers[len(ids)-1])
		if len(ids) == len(answers) {
			stop()
		}
	}))
	t.Cleanup(app.Close)

	var out, stderr bytes.Buffer
	env := map[string]string{"MENDER_SERVER_URL": server.URL, "MENDER_SERVER_ACCESS_TOKEN": sb.AdminToken(), "HOME": dir, "XDG_CONFIG_HOME": dir}
	code := cmd.Run(ctx, []string{"activity", "--follow", "--forward-to", app.URL, "--forward-secret-file", secretFile, "--interval", "100ms", "-o", "name"},
		cmd.Streams{In: strings.NewReader(""), Out: &out, Err: &stderr},
		func(name string) (string, bool) { v, ok := env[name]; return v, ok }, nil)
	if code != 0 {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
	shown := strings.Fields(out.String())
	if len(shown) != 3 || strings.Join(ids, " ") != strings.Join([]string{shown[0], shown[0], shown[1], shown[2]}, " ") {
		t.Errorf("shown %q, sent %q", shown, ids)
	}
	for _, want := range []string{"rebuilt from Mender's log", "refused event " + shown[1] + " (status 400)", "created a secret"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("no %q in:\n%s", want, stderr.String())
		}
	}
	if info, err := os.Stat(secretFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secret file: %v, %v", info.Mode(), err)
	}
}
