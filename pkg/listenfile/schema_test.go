package listenfile

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/schematest"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/exectarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/yamlfile"
)

// TestSchemaAndReadAgree changes right files at random, and finds that the schema and the
// reader come to the same, on a machine that has every variable, file, profile and program.
func TestSchemaAndReadAgree(t *testing.T) {
	t.Parallel()
	s := schematest.Compile(t, Schema())
	m := testMachine()
	m.LookupEnv = func(string) (string, bool) { return "00ff", true }
	m.ReadFile = func(string) ([]byte, error) { return []byte("00ff"), nil }
	m.checkProgram = func(exectarget.Options) error { return nil }
	m.checkProfile = func(string) error { return nil }
	taken, refused := 0, 0
	for seed := range uint64(3000) {
		r := schematest.Mutator{Rand: rand.New(rand.NewPCG(seed, 3)), Keys: keys(), Values: values()} //nolint:gosec // a test is to be repeatable
		var value any
		if err := yaml.Unmarshal([]byte(right()[r.IntN(len(right()))]), &value); err != nil {
			t.Fatal(err)
		}
		for range r.IntN(3) {
			value = r.Mutate(value)
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		_, readErr := parse("f", text, m)
		if beyondSchema(readErr) {
			readErr = nil
		}
		schemaErr := s.Validate(schematest.AsJSON(t, value))
		if (readErr == nil) != (schemaErr == nil) {
			t.Fatalf("seed %d: the reader says %v; the schema says %v; of %s", seed, readErr, schemaErr, text)
		}
		if readErr == nil {
			taken++
		} else {
			refused++
		}
	}
	if taken < 500 || refused < 500 {
		t.Errorf("%d taken, %d refused: the test sees too little of one", taken, refused)
	}
}

func right() []string {
	return []string{
		whole3,
		"apiVersion: mender-webhooks/v1\nroutes:\n- {name: a, forward_to: localhost:1, as: cloudevents, dead_on: [410, 500]}\n- {name: b, exec: [x, y], env: [A, B], dead_on: [1]}\n",
		"apiVersion: mender-webhooks/v1\nendpoints: [{name: a, path: /a, secret: {file: x}}]\nroutes: [{name: a, where: .a, on_error: skip, forward_to: localhost:1}]\n",
	}
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
