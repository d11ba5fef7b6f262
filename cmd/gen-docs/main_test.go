package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/listenfile"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
)

// TestCurrent compares the committed files with the command tree.
func TestCurrent(t *testing.T) {
	t.Parallel()
	fresh := t.TempDir()
	if err := generate(fresh); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"docs/reference", "docs/man", "completions"} {
		want, got := read(t, filepath.Join(fresh, dir)), read(t, filepath.Join("../..", dir))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s is not current; run `go run ./cmd/gen-docs` (-generated +committed):\n%s", dir, diff)
		}
	}
}

func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[d.Name()] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestSchemasCurrent compares the published schemas with the program's.
func TestSchemasCurrent(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"webhooks": provision.Schema(), "listen": listenfile.Schema()} {
		got, err := os.ReadFile("../../docs/" + name + ".schema.json")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("docs/%s.schema.json is not current; run `go run ./cmd/gen-docs` (-generated +committed):\n%s", name, diff)
		}
	}
}
