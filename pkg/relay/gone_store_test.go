package relay_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// A store whose folder or lock is removed refuses events, logs the reason, and
// does not share the folder with another process.
func TestRemovedStoreRefusesEvents(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files in use cannot be removed")
	}
	for _, test := range []struct {
		name string
		take func(dir string) error
		// shared reports whether the present folder is still the store's.
		shared bool
	}{
		{"folder removed", os.RemoveAll, false},
		{"lock file removed", func(dir string) error { return os.Remove(filepath.Join(dir, "lock")) }, true},
		{"lock file replaced", func(dir string) error {
			lock := filepath.Join(dir, "lock")
			if err := os.Remove(lock); err != nil {
				return err
			}
			return os.WriteFile(lock, nil, 0o600)
		}, true},
		{"server's files removed", func(dir string) error { return os.RemoveAll(filepath.Join(dir, "jetstream")) }, true},
		{"streams removed", func(dir string) error {
			return os.RemoveAll(filepath.Join(dir, "jetstream", "jetstream", "$G", "streams"))
		}, true},
		{"messages removed", func(dir string) error {
			return os.RemoveAll(filepath.Join(dir, "jetstream", "jetstream", "$G", "streams", "MENDER_EVENTS", "msgs"))
		}, true},
		{"every file but the lock removed", func(dir string) error {
			return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() || path == filepath.Join(dir, "lock") {
					return err
				}
				return os.Remove(path)
			})
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			said := &talk{t: t}
			dir := filepath.Join(t.TempDir(), "store")
			s, err := relay.Open(t.Context(), relay.StoreOptions{Dir: dir, Logf: said.logf})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() }) // its files are gone
			publish(t, s, "before")
			if err := test.take(dir); err != nil {
				t.Fatal(err)
			}
			taken := time.Now()
			eventually(t, "it is not ready", func() bool { return s.Ready(t.Context()) != nil })
			if took := time.Since(taken); took > 2*time.Second {
				t.Errorf("it took %s to notice", took)
			}
			if outcome, err := s.Publish(t.Context(), event("after")); outcome != relay.Unavailable || !errors.Is(err, relay.ErrUnavailable) {
				t.Errorf("%s, %v", outcome, err)
			}
			if !strings.Contains(said.String(), "removed") && !strings.Contains(said.String(), "replaced") && !strings.Contains(said.String(), "not found") {
				t.Errorf("it said: %s", said)
			}
			if !test.shared {
				_ = s.Close() // its files are gone
			}
			second, err := relay.Open(t.Context(), relay.StoreOptions{Dir: dir})
			if err == nil {
				if err := second.Close(); err != nil {
					t.Error(err)
				}
			}
			if test.shared != errors.Is(err, relay.ErrInUse) {
				t.Errorf("a second opener: %v", err)
			}
		})
	}
}
