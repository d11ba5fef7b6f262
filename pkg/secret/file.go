package secret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/gofrs/flock"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/privatefile"
)

// lockWait limits how long a change waits for another process, which may itself
// be waiting for a keyring.
const lockWait = 3 * keyringTimeout

// version is the version of the file's layout.
const version = 1

// contents are the contents of the file.
type contents struct {
	Version int      `json:"version"`
	Entries []record `json:"entries"`
}

// record is an entry of the file. Its value is empty if the keyring has the
// secret.
type record struct {
	Info
	item
	// Salt and Sum are the fingerprint of an Applied entry.
	Salt []byte `json:"salt,omitempty"`
	Sum  []byte `json:"sum,omitempty"`
}

// find returns the record's index, or -1.
func (c contents) find(k Key) int {
	return slices.IndexFunc(c.Entries, func(r record) bool { return r.Key == k })
}

func (c *contents) put(r record) {
	if i := c.find(r.Key); i >= 0 {
		c.Entries[i] = r
		return
	}
	c.Entries = append(c.Entries, r)
}

func (c *contents) remove(k Key) {
	c.Entries = slices.DeleteFunc(c.Entries, func(r record) bool { return r.Key == k })
}

// load reads the file; a missing file counts as empty. It refuses a file that
// others can read, since they may know its secrets.
func (s *Store) load() (contents, error) {
	if s.path == "" {
		return contents{}, fault.WithHint(errors.New("there is no location for the secrets file"), "set HOME or XDG_DATA_HOME")
	}
	f, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return contents{Version: version}, nil
	}
	if err != nil {
		return contents{}, fmt.Errorf("read the secrets file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return contents{}, fmt.Errorf("read the secrets file: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return contents{}, fault.WithHint(fmt.Errorf("the secrets file %s has mode %04o, so others on this machine can access it", s.path, info.Mode().Perm()),
			"run `chmod 600 %s`, and replace its tokens and secrets if others may have read them", s.path)
	}
	var c contents
	if err := json.NewDecoder(f).Decode(&c); err != nil {
		// The decoder's error may quote the file.
		return contents{}, fault.WithHint(fmt.Errorf("cannot read the secrets file %s: it is damaged or not a secrets file", s.path),
			"move the file away, then log in again")
	}
	if c.Version != version {
		return contents{}, fault.WithHint(fmt.Errorf("the secrets file %s has version %d: must be version %d", s.path, c.Version, version),
			"use a newer mender-webhooks")
	}
	return c, nil
}

// change reads the file, changes its contents and writes it, under the lock.
func (s *Store) change(ctx context.Context, change func(*contents) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.path != "" {
		if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
			return fmt.Errorf("create the folder of the secrets file: %w", err)
		}
		unlock, err := lock(ctx, s.path+".lock")
		if err != nil {
			return err
		}
		defer unlock()
		// Unfinished files contain secrets, which may have been forgotten since.
		privatefile.RemoveUnfinished(s.path)
	}
	c, err := s.load()
	if err != nil {
		return err
	}
	if err := change(&c); err != nil {
		return err
	}
	return s.save(c)
}

func (s *Store) save(c contents) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the secrets file: %w", err)
	}
	if err := privatefile.WriteSecret(s.path, append(text, '\n')); err != nil {
		return fmt.Errorf("write the secrets file %s: %w", s.path, err)
	}
	return nil
}

func lock(ctx context.Context, path string) (unlock func(), err error) {
	l := flock.New(path, flock.SetPermissions(0o600))
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	if _, err := l.TryLockContext(ctx, 5*time.Millisecond); err != nil {
		return nil, fmt.Errorf("lock the secrets file against other processes (%s): %w", path, err)
	}
	return func() { _ = l.Unlock() }, nil // the lock also ends with the process
}
