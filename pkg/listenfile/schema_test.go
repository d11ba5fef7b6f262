package listenfile

import (
	"errors"
	"regexp"
	"slices"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/schematest"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/exectarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/yamlfile"
)

// TestSchemaAndReadAgree changes files at random, and finds that the schema and the
// reader come to the same, on a machine that has every variable, file, profile and program.
func TestSchemaAndReadAgree(t *testing.T) {
	t.Parallel()
	m := testMachine()
	m.LookupEnv = func(string) (string, bool) { return "00ff", true }
	m.ReadFile = func(string) ([]byte, error) { return []byte("00ff"), nil }
	m.checkProgram = func(exectarget.Options) error { return nil }
	m.checkProfile = func(string) error { return nil }
	schematest.Comparison{
		Seed: 3, Rounds: 3000, Files: files(), Keys: keys(), Values: values(), Accepted: 300, Refused: 500,
		Read: func(text []byte) error {
			_, err := parse("f", text, m)
			if beyondSchema(err) {
				return nil
			}
			return err
		},
	}.Run(t, Schema())
}

// files returns right files, and one for each rule about several keys, which random changes
// would rarely break.
func files() []string {
	files := []string{whole3, whole3, whole3}
	for _, route := range []string{
		"forward_to: localhost:1, as: cloudevents, dead_on: [410, 500]", "exec: [x, y], env: [A, B], dead_on: [1]",
		"forward_to: localhost:1, where: .a, on_error: skip", "forward_to: localhost:1, on_error: skip",
		"forward_to: localhost:1, exec: [x]", "from: now", "exec: [x], as: raw", "exec: [x], headers: {}", "exec: [x], sign_with: {env: A}",
		"exec: [x], dead_on: [410]", "forward_to: localhost:1, dead_on: [1]", "forward_to: localhost:1, env: []",
		"forward_to: localhost:1, as: standard-webhooks", "forward_to: localhost:1, sign_with: {env: A}", "forward_to: localhost:1, endpoint: acme",
	} {
		files = append(files, "apiVersion: mender-webhooks/v1\nroutes: [{name: a, "+route+"}]\n")
	}
	for _, routes := range []string{"{name: a, forward_to: localhost:1}", "{name: a, forward_to: localhost:1, endpoint: x}"} {
		endpoint := "{name: x, path: /x, secret: {file: x}}"
		files = append(files, "apiVersion: mender-webhooks/v1\nendpoints: ["+endpoint+"]\nroutes: ["+routes+"]\n",
			"apiVersion: mender-webhooks/v1\nendpoints: ["+endpoint+", {name: y, path: /y, secret: {file: y}}]\nroutes: ["+routes+"]\n")
	}
	return files
}

func keys() []string {
	return []string{
		"name", "path", "profile", "secret", "subject_prefix", "endpoint", "from", "where", "on_error", "forward_to", "exec", "env", "as", "sign_with",
		"headers", "timeout", "concurrency", "dead_on", "max_attempts", "max_age", "when_full", "file", "endpoints", "routes", "apiVersion", "Name", "extra",
	}
}

func values() []any {
	return []any{
		nil, true, false, 0, 1, 7, 255, 256, 410, 600, 1.5, -1, "", "a", "acme", "$text", "localhost:3000", "30s", "0s", "1h30m", "raw", "standard-webhooks", "skip",
		[]any{}, []any{"a"}, []any{"a", "a"}, []any{""}, []any{200}, []any{410, 410}, []any{"MENDER_EVENT_ID"}, map[string]any{}, map[string]any{"env": "A"},
		map[string]any{"env": "A", "file": "b"}, map[string]any{"X-A": "b"}, map[string]any{"a b": "c"}, map[string]any{"X-A": map[string]any{"file": "x"}},
	}
}

// beyondSchema reports whether the reader only finds what no schema can check: values of
// variables and files, names that occur twice or nowhere, expressions and URLs.
func beyondSchema(err error) bool {
	var wrong *yamlfile.Error
	return errors.As(err, &wrong) && !slices.ContainsFunc(wrong.Problems, func(p yamlfile.Problem) bool { return !beyond.MatchString(p.Text) })
}

var beyond = regexp.MustCompile(`: (variable|file) |is given twice$|^where: (line|function|env)|^endpoint: there is no endpoint|` +
	`^forward_to: (the URL|invalid|\".*\" has no port)|^headers: the header`)
