package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/privatefile"
)

// Files in a store's folder, besides the server's.
const (
	lockFile    = "lock"
	contactFile = "server.json" // how to reach the server, while it runs
)

// Errors about a store's folder.
var (
	ErrInUse   = errors.New("the store is in use by another process")
	ErrNoStore = errors.New("there is no store in this folder")
)

// contact is the address of the server for other processes of this user.
type contact struct {
	URL      string `json:"url"`
	Password string `json:"password"`
	PID      int    `json:"pid"`
	// Brief is set by Attach.
	Brief bool `json:"brief,omitempty"`
}

// lockPause is the time between two attempts to lock the folder.
const lockPause = 20 * time.Millisecond

// claim is a folder that this process has locked.
type claim struct {
	dir          string
	held         []*flock.Flock // the lock file and, except on Windows, the folder
	file, folder os.FileInfo    // as they were when they were locked
	files        []string       // files of the server, which must not be removed either
}

// tryClaim locks a folder. It locks both a lock file and the folder itself, so that two
// processes cannot claim it even if the file is removed. It returns nil if another
// process has the lock.
func tryClaim(dir string) (*claim, error) {
	c := &claim{dir: dir, held: []*flock.Flock{flock.New(filepath.Join(dir, lockFile), flock.SetPermissions(0o600))}}
	if runtime.GOOS != "windows" {
		c.held = append(c.held, flock.New(dir, flock.SetFlag(os.O_RDONLY)))
	}
	for _, l := range c.held {
		if ok, err := l.TryLock(); err != nil || !ok {
			return nil, errors.Join(err, c.release())
		}
	}
	var err, folderErr error
	c.file, err = os.Stat(c.held[0].Path())
	c.folder, folderErr = os.Stat(dir)
	if err = errors.Join(err, folderErr); err != nil {
		return nil, errors.Join(err, c.release())
	}
	return c, nil
}

// check returns an error if files of the claimed folder were removed or replaced.
func (c *claim) check() error {
	now, err := os.Stat(c.held[0].Path())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s was removed while the store was in use", c.held[0].Path())
	case err == nil && !os.SameFile(c.file, now):
		return fmt.Errorf("%s was replaced while the store was in use", c.held[0].Path())
	}
	for _, path := range c.files {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s was removed while the store was in use", path)
		}
	}
	return nil
}

// replaced reports whether another folder has taken the place of the claimed one.
// Nothing may be written there, because it may belong to another process.
func (c *claim) replaced() bool {
	now, err := os.Stat(c.dir)
	return err == nil && !os.SameFile(c.folder, now)
}

func (c *claim) release() (err error) {
	for _, l := range c.held {
		err = errors.Join(err, l.Unlock())
	}
	return err
}

// lock claims the folder for this process. If the process that holds it is an admin
// command, or has not announced itself yet, lock waits for it until ctx ends.
func lock(ctx context.Context, dir string) (*claim, error) {
	for {
		l, err := tryClaim(dir)
		if err != nil {
			return nil, fmt.Errorf("lock the store in %s: %w", dir, err)
		}
		if l != nil {
			return l, nil
		}
		c, found, err := readJSON[contact](dir, contactFile)
		if err != nil {
			return nil, err
		}
		// A process that was killed may have left its announcement, while
		// another one starts and has the lock.
		if found && !c.Brief && isRunning(c.PID) {
			return nil, inUse(dir, c.PID)
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return nil, inUse(dir, c.PID)
		}
	}
}

// isRunning reports whether a process with that id exists. It returns true if this
// cannot be determined.
func isRunning(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	defer func() { _ = p.Release() }() // never fails
	return !errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}

func inUse(dir string, pid int) error {
	if pid == 0 {
		return fmt.Errorf("%w: %s", ErrInUse, dir)
	}
	return fmt.Errorf("%w (PID %d): %s", ErrInUse, pid, dir)
}

// checkAccess returns an error if this process may not read and write one of the
// files, because the server would treat that file as missing.
func checkAccess(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return f.Close()
	})
}

// readJSON reads a small file of the folder. A file that is missing or cut short counts
// as not found; a file that cannot be read is an error.
func readJSON[T any](dir, name string) (value T, found bool, err error) {
	raw, err := os.ReadFile(filepath.Join(dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return value, false, nil
	case err != nil:
		return value, false, err
	}
	if json.Unmarshal(raw, &value) != nil {
		var none T
		return none, false, nil //nolint:nilerr // a file that was cut short counts as missing
	}
	return value, true, nil
}

// writeJSON replaces a small file of the folder, readable only by its owner.
func writeJSON(dir, name string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return privatefile.Write(filepath.Join(dir, name), raw)
}
