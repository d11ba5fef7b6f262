//go:build unix

package relay

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay/embedded"
)

// stranger is a user id that owns nothing on this machine.
const stranger = 54321

// owned calls check with the owner of each file and folder of a store.
func owned(t *testing.T, dir string, check func(path string, uid uint32)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			check(path, info.Sys().(*syscall.Stat_t).Uid)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// strangersStore is a closed store of another user's, in a folder that only
// root can reach.
func strangersStore(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can look at another user's store")
	}
	dir := filepath.Join(t.TempDir(), "private", "store")
	s := mustOpen(t, StoreOptions{Dir: dir})
	for _, id := range []string{"first", "second", "third"} {
		mustPublish(t, s.Queue, id, Stored)
	}
	mustClose(t, s)
	owned(t, dir, func(path string, _ uint32) {
		if err := os.Chown(path, stranger, stranger); err != nil {
			t.Fatal(err)
		}
	})
	return dir
}

func TestRootLooksAtAStoreAsItsOwner(t *testing.T) {
	dir := strangersStore(t)
	look(t, dir)
	s, err := Attach(t.Context(), dir, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Drop(t.Context(), "second"); err != nil {
		t.Error(err)
	}
	mustClose(t, s)
	if os.Geteuid() != 0 {
		t.Fatal("still the owner")
	}
	owned(t, dir, func(path string, uid uint32) {
		if uid != stranger {
			t.Errorf("%s belongs to %d now", path, uid)
		}
	})
}

func TestRootDoesNotRunAnotherUsersStore(t *testing.T) {
	dir := strangersStore(t)
	_, err := Open(t.Context(), StoreOptions{Dir: dir, Logf: t.Logf})
	if fault.KindOf(err) != fault.Access || fault.HintOf(err) == "" {
		t.Errorf("got %v", err)
	}
}

// A file that may not be read is not a missing file: the store would start again
// at its first event.
func TestPermissionDeniedIsNotAnEmptyStore(t *testing.T) {
	for _, name := range []string{"", embedded.Directory, recordFile, acknowledgedFile, contactFile, "o.dat", "meta.inf"} {
		t.Run("file "+name, func(t *testing.T) {
			dir := strangersStore(t)
			for _, parent := range []string{filepath.Dir(dir), filepath.Dir(filepath.Dir(dir)), filepath.Dir(filepath.Dir(filepath.Dir(dir)))} {
				if err := os.Chmod(parent, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := writeJSON(dir, contactFile, contact{PID: 1 << 30}); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(filepath.Join(dir, contactFile), stranger, stranger); err != nil {
				t.Fatal(err)
			}
			owned(t, dir, func(path string, _ uint32) {
				if filepath.Base(path) == name || (name == "" && path == dir) {
					if err := errors.Join(os.Chown(path, 0, 0), os.Chmod(path, 0o700)); err != nil {
						t.Fatal(err)
					}
				}
			})
			if err := errors.Join(syscall.Setegid(stranger), syscall.Seteuid(stranger)); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := errors.Join(syscall.Seteuid(0), syscall.Setegid(0)); err != nil {
					t.Fatal(err)
				}
			}()
			if s, err := Open(t.Context(), StoreOptions{Dir: dir, Logf: t.Logf}); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("open: %v, %v", s, err)
			}
			if s, err := Attach(t.Context(), dir, t.Logf); !errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrNoStore) {
				t.Errorf("attach: %v, %v", s, err)
			}
		})
	}
}
