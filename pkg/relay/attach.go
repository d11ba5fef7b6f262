package relay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay/embedded"
)

// attachTimeout is how long to wait for a store that is starting, or that another admin
// command uses.
var attachTimeout = 5 * time.Second //nolint:gochecknoglobals // shorter in a test

// Attach opens the store in a folder to read or change individual events, whether or
// not another process is running it. It does not change retention, sizes or positions.
// If this process runs as root and no other process runs the store, it acts as the
// store's owner until Close, so that no file changes its owner.
//
// The error wraps ErrNoStore if the folder has no store.
func Attach(ctx context.Context, dir string, logf Logf) (*Store, error) {
	_, err := os.Stat(filepath.Join(dir, embedded.Directory))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNoStore, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	wait, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	for {
		c, found, err := readJSON[contact](dir, contactFile)
		if err != nil {
			return nil, fmt.Errorf("open the store: %w", err)
		}
		if found {
			if s, err := attach(wait, dir, c); err == nil {
				return s, nil
			}
		}
		s, err := open(ctx, StoreOptions{Dir: dir, Logf: logf}, true)
		if err == nil || !errors.Is(err, ErrInUse) {
			return s, err
		}
		select {
		case <-time.After(lockPause):
		case <-wait.Done():
			return nil, fmt.Errorf("%w: the process does not answer", err)
		}
	}
}

func attach(ctx context.Context, dir string, c contact) (*Store, error) {
	nc, err := embedded.Dial(c.URL, c.Password)
	if err != nil {
		return nil, err
	}
	before, _, err := readJSON[record](dir, recordFile)
	if err != nil {
		nc.Close()
		return nil, err
	}
	o := StoreOptions{Dir: dir}
	s := &Store{o: o, brief: true}
	known := s.takeRoutes(before)
	q := s.o.queue()
	q.bind = true
	if s.Queue, err = newQueue(ctx, nc, q, known); err != nil {
		nc.Close()
		return nil, err
	}
	s.listening, s.remote = !c.Brief, true
	return s, nil
}
