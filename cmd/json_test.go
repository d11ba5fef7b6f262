package cmd_test

import (
	"regexp"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
)

// TestJSONHasTheNamesOfFields checks that no command prints Go field names, or
// null for an empty list.
func TestJSONHasTheNamesOfFields(t *testing.T) {
	t.Parallel()
	s := newSession(t, sandbox.Options{History: 20, Scopes: true})
	s.run(0, "correct-horse-battery", "login", "--username", "admin@example.com", "--password-stdin")
	goName := regexp.MustCompile(`"[A-Z][A-Za-z]*":|":null|^null`)
	check := func(code int, stdin string, line ...string) {
		t.Helper()
		if found := goName.FindString(s.run(code, stdin, append(line, "-o", "jsonl")...)); found != "" {
			t.Errorf("%q prints %s", line, found)
		}
	}
	for _, line := range [][]string{{"list"}, {"token", "list"}, {"secret", "list"}, {"config", "list", "--profiles"}, {"activity", "--type", "none"}} {
		check(0, "", line...)
	}
	check(0, "", "token", "create", "ci")
	check(0, "", "create", "--url", "https://example.com/", "--generate-secret")
	for _, line := range [][]string{
		{"list"}, {"inspect"}, {"activity"}, {"activity", "--stats"}, {"token", "list"}, {"whoami"}, {"secret", "list"}, {"secret", "show"},
		{"config", "list"}, {"config", "get", "server"}, {"config", "path"}, {"version"}, {"redeliver", "--failed", "--dry-run"}, {"reconcile", "--state", t.TempDir() + "/known", "--dry-run", "--rate", "1000"}, {"doctor"},
		{"update", "--url", "https://example.com/new", "--generate-secret"},
	} {
		check(0, "", line...)
	}
	check(1, "{}", "verify", "--signature", "00")
	check(1, "", "trigger", "device-decommissioned", "--to", "http://127.0.0.1:1/")
	check(1, "", "trigger", "device-decommissioned", "--to", "http://127.0.0.1:1/", "--count", "2")
}
