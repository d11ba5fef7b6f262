package reload_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/reload"
)

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// A file that could not be read is read again even if it has not changed: the
// cause may have been permissions or a lack of descriptors.
func TestAFailedReadIsTriedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	put(t, path, "first")
	broken := errors.New("too many open files")
	var fail error
	var reports []string
	v, err := reload.New(reload.Options[string]{
		Files: []string{path},
		Read: func() (string, error) {
			text, err := os.ReadFile(path)
			return string(text), errors.Join(err, fail)
		},
		Report: func(value string, err error) {
			if err != nil {
				value += " (" + err.Error() + ")"
			}
			reports = append(reports, value)
		},
	})
	if err != nil || v.Get() != "first" {
		t.Fatal(v, err)
	}
	put(t, path, "the second")
	fail = broken
	if got := v.Get(); got != "first" {
		t.Errorf("after the failure: %q", got)
	}
	v.Get()
	fail = nil
	for deadline := time.Now().Add(20 * time.Second); v.Get() != "the second"; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it was not tried again")
		}
	}
	if got := strings.Join(reports, ", "); got != "first (too many open files), the second" {
		t.Errorf("reported: %s", got)
	}
}

func TestAMissingFileIsOnlyFineWhereItIsOptional(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	read := func() (bool, error) { _, err := os.Stat(path); return err == nil, nil }
	if _, err := reload.New(reload.Options[bool]{Files: []string{path}, Read: read}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("required: %v", err)
	}
	v, err := reload.New(reload.Options[bool]{Files: []string{path}, Optional: true, Read: read})
	if err != nil || v.Get() {
		t.Fatal(v, err)
	}
	put(t, path, "")
	if !v.Get() {
		t.Error("the new file was not noticed")
	}
}
