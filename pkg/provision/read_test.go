package provision

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/yamlfile"
)

// testSources returns the variables and files of the tests.
func testSources() Sources {
	env := map[string]string{
		"HOOK_SECRET": "00ff00ff", "HOOK_URL": "https://user:hunter2@example.com/hook",
		"EMPTY": " ", "WORDS": "correct horse battery", "ODD": "abc",
	}
	files := map[string]string{
		"hook.secret": "# of the inventory service\n00ff00ff\n", "two.secret": "00ff00ff\n00ee00ee\n",
	}
	return Sources{Sources: yamlfile.Sources{
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		ReadFile: func(name string) ([]byte, error) {
			if text, ok := files[name]; ok {
				return []byte(text), nil
			}
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		},
	}}
}

// TestWrongFiles compares the errors for invalid files with golden files.
// UPDATE_GOLDEN=1 writes them.
func TestWrongFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Read(filepath.Base(name), text, testSources())
			var wrong *yamlfile.Error
			if !errors.As(err, &wrong) {
				t.Fatalf("Read: %v, want a *yamlfile.Error", err)
			}
			got := strings.Join(wrong.Lines(), "\n") + "\n"
			for _, secret := range []string{"00112233", "hunter2", "correct horse", "wJalr", "not+base64"} {
				if strings.Contains(got, secret) {
					t.Errorf("it shows a secret:\n%s", got)
				}
			}
			golden := strings.TrimSuffix(name, ".yaml") + ".golden"
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadTakes(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"webhook":    "integrations:\n- provider: webhook\n  url: https://example.com/hook\n  secret: { env: HOOK_SECRET }",
		"from file":  "integrations:\n- provider: webhook\n  url: http://example.com\n  secret:\n    file: hook.secret",
		"url in env": "integrations:\n- provider: webhook\n  url: { env: HOOK_URL }\n  secret: { stored: true }",
		"everything": "integrations:\n- secret: { generate: true }\n  scopes: [deviceauth, inventory]\n  description: |\n    two\n    lines\n  url: https://example.com\n  provider: webhook",
		"empty list": "integrations: []",
		"JSON":       `integrations: [{"provider": "webhook", "url": "https://example.com", "secret": {"none": true}}]`,
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, text := range []string{
				"apiVersion: mender-webhooks/v1\n" + body + "\n",
				"\ufeff---\n" + strings.ReplaceAll(body+"\napiVersion: mender-webhooks/v1\n", "\n", "\r\n"),
			} {
				f, err := Read("f.yaml", []byte(text), testSources())
				if err != nil {
					t.Fatalf("%v in\n%s", err, text)
				}
				if shown := fmt.Sprintf("%v %+v %#v", f, *f, f); strings.Contains(shown, "00ff00ff") || strings.Contains(shown, "hunter2") {
					t.Errorf("printing the file shows a secret: %s", shown)
				}
			}
		})
	}
}

// FuzzRead looks for files that make Read panic, or report a problem without its
// position in the file.
func FuzzRead(f *testing.F) {
	files, _ := filepath.Glob("testdata/wrong/*.yaml")
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("apiVersion: mender-webhooks/v1\nintegrations: [{provider: webhook, url: {env: HOOK_URL}, secret: {none: true}}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Read("f.yaml", text, testSources())
		var wrong *yamlfile.Error
		switch {
		case err == nil && len(file.entries) > maxIntegrations:
			t.Error("too many integrations")
		case err != nil && (!errors.As(err, &wrong) || len(wrong.Problems) == 0):
			t.Errorf("%v is no *yamlfile.Error", err)
		}
	})
}

func TestNestingIsBounded(t *testing.T) {
	t.Parallel()
	_, err := Read("webhooks.yaml", []byte("apiVersion: "+strings.Repeat("[", 40_000)), testSources())
	if err == nil || err.Error() != "webhooks.yaml:1:77: nested more than 64 levels deep" {
		t.Errorf("got %v", err)
	}
}
