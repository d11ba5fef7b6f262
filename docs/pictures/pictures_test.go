//go:build unix

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCurrent compares the committed pictures with the output of the program.
func TestCurrent(t *testing.T) {
	fresh := t.TempDir()
	t.Chdir("../..")
	if err := generate(fresh); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"listen.svg", "activity.svg"} {
		want, got := read(t, filepath.Join(fresh, name)), read(t, filepath.Join("docs/pictures", name))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s is not current; run `go run ./docs/pictures` (-shown +committed):\n%s", name, diff)
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
