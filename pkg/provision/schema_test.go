package provision

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/schematest"
	"github.com/mender-webhooks/mender-webhooks/pkg/yamlfile"
)

// TestSchemaOfWrongFiles checks that the schema refuses the files that Read
// refuses, except for mistakes that depend on the machine, or that JSON cannot
// express.
func TestSchemaOfWrongFiles(t *testing.T) {
	t.Parallel()
	s := schematest.Compile(t, Schema())
	beyond := []string{
		"anchors.yaml", "description.yaml", "secret_unset.yaml", "secret_empty.yaml", "secret_not_hex.yaml", "secret_odd.yaml",
		"secret_no_file.yaml", "secret_two_lines.yaml", "url_password.yaml", "two_documents.yaml",
	}
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var value any
		if yaml.Unmarshal(text, &value) != nil {
			continue // no schema sees it
		}
		taken := s.Validate(schematest.AsJSON(t, value)) == nil
		if want := slices.Contains(beyond, filepath.Base(name)); taken != want {
			t.Errorf("%s: the schema takes it: %v, want %v", name, taken, want)
		}
	}
}

// TestSchemaAndReadAgree changes right files at random, and finds that the
// schema and Read come to the same, on a machine that has every variable and
// file.
func TestSchemaAndReadAgree(t *testing.T) {
	t.Parallel()
	s := schematest.Compile(t, Schema())
	right := []string{
		`{"provider":"webhook","url":"https://example.com/a","secret":{"env":"HOOK"},"description":"d","scopes":["deviceauth","x"]}`,
		`{"provider":"webhook","url":{"env":"URL"},"secret":{"generate":true}}`,
		`{"provider":"webhook","url":{"file":"URL"},"secret":{"stored":true}}`,
		`{"provider":"webhook","url":"http://example.com","secret":{"none":true},"scopes":[]}`,
	}
	keys := []string{
		"provider", "url", "secret", "env", "file", "stored", "generate", "none", "description", "scopes", "region",
		"connection_string", "access_key_id", "secret_access_key", "device_policy_name", "integrations", "URL", "extra",
	}
	values := []any{
		nil, true, false, 7, 1.5, "", "text", "$text", "webhook", "iot-hub", "https://example.com/x", "ftp://example.com", []any{}, []any{"a"}, []any{"a", "a"}, []any{""},
		map[string]any{}, map[string]any{"none": true}, map[string]any{"none": false}, map[string]any{"generate": true, "none": true},
	}
	taken, refused := 0, 0
	for seed := range uint64(4000) {
		r := schematest.Mutator{Rand: rand.New(rand.NewPCG(seed, 2)), Keys: keys, Values: values} //nolint:gosec // a test is to be repeatable
		var value any
		if err := json.Unmarshal([]byte(`{"apiVersion":"mender-webhooks/v1","integrations":[`+right[r.IntN(len(right))]+`]}`), &value); err != nil {
			t.Fatal(err)
		}
		for range r.IntN(3) {
			value = r.Mutate(value)
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		_, readErr := Read("f", text, Sources{Sources: yamlfile.Sources{
			LookupEnv: func(string) (string, bool) { return "00ff", true },
			ReadFile:  func(string) ([]byte, error) { return []byte("00ff"), nil },
		}})
		if ofValues(readErr) {
			readErr = nil
		}
		schemaErr := s.Validate(schematest.AsJSON(t, value))
		if (readErr == nil) != (schemaErr == nil) {
			t.Fatalf("seed %d: Read says %v; the schema says %v; of %s", seed, readErr, schemaErr, text)
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

// ofValues reports whether Read only finds fault with the values of variables and
// files, which no schema can check.
func ofValues(err error) bool {
	var wrong *yamlfile.Error
	return errors.As(err, &wrong) && !slices.ContainsFunc(wrong.Problems, func(p yamlfile.Problem) bool { return !ofValue.MatchString(p.Text) })
}

var ofValue = regexp.MustCompile(`: (variable|file) .*: (it is no |the URL |nothing is expanded)`)
