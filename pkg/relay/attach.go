package relay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
)

// attachTimeout is how long a store is waited for that starts, or that
// somebody only looks at.
const attachTimeout = 5 * time.Second

// Attach opens the store in a folder to look after its events, whether a
// process runs it or not. The error wraps ErrNoStore where there is none.
func Attach(ctx context.Context, dir string, logf Logf) (*Store, error) {
	if _, err := os.Stat(filepath.Join(dir, serverDirectory)); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrNoStore, dir)
	}
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	for {
		if c, ok := readJSON[contact](dir, contactFile); ok {
			if s, err := attach(ctx, dir, c); err == nil {
				return s, nil
			}
		}
		s, err := open(ctx, StoreOptions{Dir: dir, Logf: logf}, true)
		if err == nil || !errors.Is(err, ErrInUse) {
			return s, err
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w, and it does not answer", err)
		}
	}
}

func attach(ctx context.Context, dir string, c contact) (*Store, error) {
	nc, err := nats.Connect(c.URL, append(connOptions(c.Password), nats.Timeout(time.Second))...)
	if err != nil {
		return nil, err
	}
	o := StoreOptions{Dir: dir}
	q := o.queue()
	q.bind = true
	s := &Store{o: o}
	if s.Queue, err = newQueue(ctx, nc, q, 0); err != nil {
		nc.Close()
		return nil, err
	}
	return s, nil
}
