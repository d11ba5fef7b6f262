package relay

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// How often the free space is looked at, and a broken server started anew.
const (
	freePeriod  = 50 * time.Millisecond
	mendPause   = 500 * time.Millisecond
	mendTimeout = 10 * time.Second
)

// ready says why nothing can be stored at present. It comes before each
// publish, so that a full disk refuses events instead of breaking the stream.
func (s *Store) ready() error {
	if now := time.Now().UnixNano(); now-s.checked.Load() > int64(freePeriod) {
		s.checked.Store(now)
		free, err := freeBytes(s.o.Dir)
		full := err == nil && free < s.o.MinFree
		if was := s.diskFull.Swap(full); was != full {
			if full {
				s.o.Logf("the disk of %s is full, only %d MiB are free: no events are taken in", s.o.Dir, free>>20)
			} else {
				s.o.Logf("the disk of %s has room again: events are taken in", s.o.Dir)
			}
		}
	}
	switch {
	case s.diskFull.Load():
		return fmt.Errorf("%w: less than %d MiB of the disk are free", ErrFull, s.o.MinFree>>20)
	case s.broken.Load():
		return fmt.Errorf("%w: a write to the disk failed, and the store starts anew", ErrUnavailable)
	}
	return nil
}

// serverError hears of each of the server's errors.
func (s *Store) serverError(text string) {
	if isWriteError(text) && !s.broken.Swap(true) {
		select {
		case s.mend <- struct{}{}:
		default:
		}
	}
}

// mender starts the server anew after a failed write, since a stream refuses
// everything after it, and again until that works.
func (s *Store) mender() {
	closing := s.closing
	for {
		select {
		case <-s.mend:
		case <-closing.Done():
			return
		}
		for s.broken.Load() {
			s.server.stop()
			select {
			case <-time.After(mendPause):
			case <-closing.Done():
				return
			}
			if free, err := freeBytes(s.o.Dir); err == nil && free < s.o.MinFree {
				// Starting needs room too; what waits is safe meanwhile.
				continue
			}
			s.restart(closing)
		}
	}
}

// restart starts the server anew, and looks whether it still knows what was
// forwarded: that too may have met the full disk.
func (s *Store) restart(ctx context.Context) {
	s.broken.Store(false) // what the start says counts again
	ctx, cancel := context.WithTimeout(ctx, mendTimeout)
	defer cancel()
	if err := s.startAgain(ctx); err != nil {
		s.broken.Store(true)
		s.o.Logf("the store did not start anew: %v", err)
		return
	}
	s.announce(false)
	if state, err := s.Status(ctx); err == nil {
		s.o.Logf("the store in %s runs again; %d events wait", s.o.Dir, state.Waiting)
	}
}

func (s *Store) startAgain(ctx context.Context) error {
	if err := s.server.start(); err != nil {
		return err
	}
	if err := s.connected(ctx); err != nil {
		return err
	}
	known, _ := readJSON[cursor](s.o.Dir, cursorFile)
	err := s.openConsumer(ctx, known.Floor)
	if isConsumerLost(err) {
		err = errors.Join(err, s.forgetConsumer(s.Queue.o.Prefix, known.Floor)) // the next start makes a new one
	}
	return err
}

// connected waits until this process's connection is back.
func (s *Store) connected(ctx context.Context) error {
	for !s.nc.IsConnected() {
		select {
		case <-time.After(reconnectPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// tick writes down how far the queue is, for the day when the server's own
// word is lost, and says again how it is reached where that failed.
func (s *Store) tick(p position) {
	if !s.announced.Load() {
		s.announce(false)
	}
	now := cursor{Last: p.last, Floor: p.floor}
	if now == s.written {
		return
	}
	if err := writeJSON(s.o.Dir, cursorFile, now); err == nil {
		s.written = now // else the next tick tries again
	}
}
