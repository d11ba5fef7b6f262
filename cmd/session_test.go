package cmd_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/cmd"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
)

// session runs commands one after the other as one user on one machine, with
// --debug, and keeps their whole output.
type session struct {
	t    *testing.T
	env  map[string]string
	said bytes.Buffer // stderr of all commands
}

func newSession(t *testing.T, o sandbox.Options) *session {
	t.Helper()
	sb, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sb)
	t.Cleanup(func() {
		server.Close()
		if err := sb.Close(); err != nil {
			t.Error(err)
		}
	})
	home := t.TempDir()
	return &session{t: t, env: map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, "config"), "XDG_DATA_HOME": filepath.Join(home, "data"),
		"MENDER_SERVER_URL": server.URL,
	}}
}

// run runs a command line and returns its stdout. code is the expected exit code.
func (s *session) run(code int, stdin string, args ...string) string {
	s.t.Helper()
	var out, said bytes.Buffer
	args = append(args, "--debug", "--no-keyring")
	got := cmd.Run(context.Background(), args, cmd.Streams{In: strings.NewReader(stdin), Out: &out, Err: &said},
		func(name string) (string, bool) { v, ok := s.env[name]; return v, ok }, nil)
	s.said.Write(said.Bytes())
	if got != code {
		s.t.Fatalf("%s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, said.String())
	}
	return strings.TrimSpace(out.String())
}

// keptValues returns the tokens and secrets in the store's file.
func (s *session) keptValues() []string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.env["XDG_DATA_HOME"], "mender-webhooks", "secrets.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	var file struct {
		Entries []struct{ Value string }
	}
	if err := json.Unmarshal(text, &file); err != nil {
		s.t.Fatal(err)
	}
	var values []string
	for _, e := range file.Entries {
		if e.Value != "" { // a fingerprint has none
			values = append(values, e.Value)
		}
	}
	return values
}

// TestDebugOfWholeSession searches the output of a whole session, with --debug,
// for each password, token and secret in it.
func TestDebugOfWholeSession(t *testing.T) {
	t.Parallel()
	s := newSession(t, sandbox.Options{Scopes: true})
	const password, password2, inURL, given = "correct-horse-battery", "something-you-know", "pa55-in-the-url", "c0ffee11c0ffee22"
	secrets := map[string]string{
		"the password": password, "the other password": password2, "the wrong password": "not-the-password",
		"Basic credentials":       base64.StdEncoding.EncodeToString([]byte("admin@example.com:" + password)),
		"other Basic credentials": base64.StdEncoding.EncodeToString([]byte("2fa@example.com:" + password2)),
		"the password in the URL": inURL, "the given secret": given,
	}
	keep := func(what string) {
		for _, value := range s.keptValues() {
			secrets[what+" "+value[len(value)-8:]] = value
		}
	}
	s.run(4, "not-the-password", "login", "--username", "admin@example.com", "--password-stdin")
	s.run(4, password2, "login", "--username", "2fa@example.com", "--password-stdin")
	s.run(0, password2, "login", "--username", "2fa@example.com", "--password-stdin", "--2fa-code", "123456")
	keep("a session's token")
	s.run(0, password, "login", "--username", "admin@example.com", "--password-stdin")
	keep("a session's token")
	s.run(0, "", "whoami")
	pat := s.run(0, "", "token", "create", "ci")
	secrets["the personal access token"] = pat
	s.run(0, "", "token", "list")
	s.run(0, "", "create", "--url", "https://user:"+inURL+"@example.com/hook?token="+inURL, "--generate-secret")
	keep("the generated secret")
	s.run(5, "", "create", "--url", "https://example.com/", "--secret", given)
	s.run(0, "", "list")
	s.run(0, "", "update", "--secret", given)
	s.run(0, "", "update", "--generate-secret")
	keep("the next secret")
	s.run(0, "", "inspect")
	s.run(0, "", "doctor")
	s.run(0, "", "activity")
	s.run(0, "", "secret", "list")
	secrets["the shown secret"] = s.run(0, "", "secret", "show")
	s.run(0, pat, "login", "--token-stdin", "--profile", "pat")
	s.run(0, "", "token", "revoke", "ci", "--yes")
	s.run(4, pat, "login", "--token-stdin", "--profile", "pat", "-o", "json")
	s.run(0, "", "delete", "--yes", s.run(0, "", "list", "-o", "name"))
	s.run(0, "", "logout")

	said := s.said.String()
	for what, secret := range secrets {
		if strings.Contains(said, secret) {
			t.Errorf("%s is in the output", what)
		}
		// A part of a token must not show either.
		for _, part := range strings.Split(secret, ".") {
			if len(part) > 40 && strings.Contains(said, part) {
				t.Errorf("a part of %s is in the output", what)
			}
		}
	}
	if regexp.MustCompile(`\b123456\b`).MatchString(said) {
		t.Error("the two-factor code is in the output")
	}
	if len(secrets) < 12 {
		t.Errorf("only %d secrets were searched for", len(secrets))
	}
	for _, shown := range []string{
		"> POST http", "/auth/login", "Authorization: Basic ***", "Authorization: Bearer ***",
		`"secret":"***"`, `"token2fa":"***"`, "/auth/logout", "DELETE",
	} {
		if !strings.Contains(said, shown) {
			t.Errorf("--debug does not show %q", shown)
		}
	}
}
