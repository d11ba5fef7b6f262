package provision

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compiled returns the schema, compiled by the JSON Schema library.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(Schema()))
	if err == nil {
		err = c.AddResource(schemaURL, doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c.MustCompile(schemaURL)
}

// TestSchemaOfWrongFiles checks that the schema refuses the files that Read
// refuses, except for mistakes that depend on the machine, or that JSON cannot
// express.
func TestSchemaOfWrongFiles(t *testing.T) {
	t.Parallel()
	s := compiled(t)
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
		taken := s.Validate(asJSON(t, value)) == nil
		if want := slices.Contains(beyond, filepath.Base(name)); taken != want {
			t.Errorf("%s: the schema takes it: %v, want %v", name, taken, want)
		}
	}
}

// asJSON is a value as the schema's library wants it.
func asJSON(t *testing.T, value any) any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	back, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// TestSchemaAndReadAgree changes right files at random, and finds that the
// schema and Read come to the same, on a machine that has every variable and
// file.
func TestSchemaAndReadAgree(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	right := []string{
		`{"provider":"webhook","url":"https://example.com/a","secret":{"env":"HOOK"},"description":"d","scopes":["deviceauth","x"]}`,
		`{"provider":"webhook","url":{"env":"URL"},"secret":{"generate":true}}`,
		`{"provider":"webhook","url":{"file":"URL"},"secret":{"stored":true}}`,
		`{"provider":"webhook","url":"http://example.com","secret":{"none":true},"scopes":[]}`,
	}
	taken, refused := 0, 0
	for seed := range uint64(4000) {
		r := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // a test is to be repeatable
		var value any
		if err := json.Unmarshal([]byte(`{"apiVersion":"mender-webhooks/v1","integrations":[`+right[r.IntN(len(right))]+`]}`), &value); err != nil {
			t.Fatal(err)
		}
		for range r.IntN(3) {
			value = mutate(r, value)
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		_, readErr := Read("f", text, Sources{
			LookupEnv: func(string) (string, bool) { return "00ff", true },
			ReadFile:  func(string) ([]byte, error) { return []byte("00ff"), nil },
		})
		if ofValues(readErr) {
			readErr = nil
		}
		schemaErr := s.Validate(asJSON(t, value))
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
	var wrong *FileError
	return errors.As(err, &wrong) && !slices.ContainsFunc(wrong.Problems, func(p problem) bool { return !ofValue.MatchString(p.Text) })
}

var ofValue = regexp.MustCompile(`: (variable|file) .*: (it is no |the URL |nothing is expanded)`)

// mutate makes one change somewhere in a value: it removes, adds or renames a key,
// or replaces a value.
func mutate(r *rand.Rand, value any) any {
	switch v := value.(type) {
	case map[string]any:
		keys := slices.Sorted(maps.Keys(v))
		if len(keys) == 0 || r.IntN(10) == 0 {
			v[randomKey(r)] = randomValue(r)
			return v
		}
		key := keys[r.IntN(len(keys))]
		switch r.IntN(8) {
		case 0:
			delete(v, key)
		case 1:
			v[randomKey(r)] = v[key]
			delete(v, key)
		default:
			v[key] = mutate(r, v[key])
		}
		return v
	case []any:
		switch n := r.IntN(6); {
		case n == 0:
			return append(v, randomValue(r))
		case n == 1 && len(v) > 0:
			return v[1:]
		case n > 1 && len(v) > 0:
			i := r.IntN(len(v))
			v[i] = mutate(r, v[i])
			return v
		}
	}
	return randomValue(r)
}

func randomKey(r *rand.Rand) string {
	return pick(r, "provider", "url", "secret", "env", "file", "stored", "generate", "none", "description", "scopes", "region",
		"connection_string", "access_key_id", "secret_access_key", "device_policy_name", "integrations", "URL", "extra")
}

func randomValue(r *rand.Rand) any {
	values := []any{
		nil, true, false, 7, 1.5, "", "text", "$text", "webhook", "iot-hub", "https://example.com/x", "ftp://example.com", []any{}, []any{"a"}, []any{"a", "a"}, []any{""},
		map[string]any{}, map[string]any{"none": true}, map[string]any{"none": false}, map[string]any{"generate": true, "none": true},
	}
	return values[r.IntN(len(values))]
}
