package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/privatefile"
)

// The files of a store's folder, besides the server's own.
const (
	lockFile    = "lock"
	contactFile = "server.json" // how to reach the server, while it runs
	cursorFile  = "cursor.json" // how far it was, about a second ago
)

// What is wrong with a folder.
var (
	ErrInUse   = errors.New("the store is in use by another process")
	ErrNoStore = errors.New("there is no store in this folder")
)

// contact says how other processes of this user reach the server.
type contact struct {
	URL      string `json:"url"`
	Password string `json:"password"`
	PID      int    `json:"pid"`
	// Brief is set by who opened the folder only to look.
	Brief bool `json:"brief,omitempty"`
}

// cursor is what is known of the queue without asking the server.
type cursor struct {
	Last  uint64 `json:"last"`  // the last event's sequence
	Floor uint64 `json:"floor"` // all up to it were forwarded
}

// lockPause is how often a lock is tried that somebody holds for a moment.
const lockPause = 20 * time.Millisecond

// lock takes the folder for this process. Who only looks at it is waited for,
// until ctx ends.
func lock(ctx context.Context, dir string) (*flock.Flock, error) {
	l := flock.New(filepath.Join(dir, lockFile), flock.SetPermissions(0o600))
	for {
		ok, err := l.TryLock()
		if err != nil {
			return nil, fmt.Errorf("lock the store in %s: %w", dir, err)
		}
		if ok {
			return l, nil
		}
		c, found := readJSON[contact](dir, contactFile)
		if !found || !c.Brief {
			return nil, inUse(dir, c.PID)
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return nil, inUse(dir, c.PID)
		}
	}
}

func inUse(dir string, pid int) error {
	if pid == 0 {
		return fmt.Errorf("%w: %s", ErrInUse, dir)
	}
	return fmt.Errorf("%w (process %d): %s", ErrInUse, pid, dir)
}

// readJSON reads a small file of the folder. What is missing or torn is not found.
func readJSON[T any](dir, name string) (value T, found bool) {
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return value, false
	}
	if err := json.Unmarshal(raw, &value); err != nil {
		var none T
		return none, false
	}
	return value, true
}

// writeJSON replaces a small file of the folder, readable by its owner alone.
func writeJSON(dir, name string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return privatefile.Write(filepath.Join(dir, name), raw)
}
