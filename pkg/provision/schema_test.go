package provision

import (
	"errors"
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
	var files []string
	for _, entry := range right {
		files = append(files, `{"apiVersion":"mender-webhooks/v1","integrations":[`+entry+`]}`)
	}
	schematest.Comparison{
		Seed: 2, Rounds: 4000, Files: files, Keys: keys, Values: values, Accepted: 500, Refused: 500,
		Read: func(text []byte) error {
			_, err := Read("f", text, Sources{Sources: yamlfile.Sources{
				LookupEnv: func(string) (string, bool) { return "00ff", true },
				ReadFile:  func(string) ([]byte, error) { return []byte("00ff"), nil },
			}})
			if ofValues(err) {
				return nil
			}
			return err
		},
	}.Run(t, Schema())
}

// ofValues reports whether Read only finds fault with the values of variables and
// files, which no schema can check.
func ofValues(err error) bool {
	var wrong *yamlfile.Error
	return errors.As(err, &wrong) && !slices.ContainsFunc(wrong.Problems, func(p yamlfile.Problem) bool { return !ofValue.MatchString(p.Text) })
}

var ofValue = regexp.MustCompile(`: (variable|file) .*: (it is no |the URL |nothing is expanded)`)
