//go:build unix

package reload_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/reload"
)

// Opening a FIFO blocks until someone writes to it, and would block the request
// that noticed the change.
func TestAFIFOInPlaceOfAFileIsNotOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	put(t, path, "first")
	var reported error
	v, err := reload.New(reload.Options[string]{
		Files:  []string{path},
		Read:   func() (string, error) { text, err := os.ReadFile(path); return string(text), err },
		Report: func(_ string, err error) { reported = err },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := v.Get(); got != "first" {
		t.Errorf("got %q", got)
	}
	if reported == nil || !strings.Contains(reported.Error(), "not a regular file") {
		t.Errorf("reported: %v", reported)
	}
}
