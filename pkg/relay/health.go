package relay

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// minFreeFiles is how many more files the disk must have room for, so that the server
// can still replace its own files.
const minFreeFiles = 8

// How often the disk is inspected, and a failed server restarted.
const (
	freePeriod  = 50 * time.Millisecond
	mendPause   = 500 * time.Millisecond
	mendTimeout = 10 * time.Second
)

// ready returns why no event can be stored at present, or nil. It is called before each
// publish, so that events are refused before a full disk breaks the stream.
func (s *Store) ready() error {
	s.inspect()
	switch {
	case s.gone.Load() != nil:
		return fmt.Errorf("%w: %w", ErrUnavailable, *s.gone.Load())
	case s.diskFull.Load():
		return fmt.Errorf("%w: the disk has room for less than %d MiB or %d files", ErrFull, s.o.MinFree>>20, minFreeFiles)
	case s.broken.Load():
		return fmt.Errorf("%w: a write to the disk failed; the store is restarting", ErrUnavailable)
	}
	return nil
}

// inspect checks the folder and its disk, at most once per freePeriod.
func (s *Store) inspect() {
	last, now := s.checked.Load(), time.Now().UnixNano()
	if now-last < int64(freePeriod) || !s.checked.CompareAndSwap(last, now) || !s.checking.TryLock() {
		return
	}
	defer s.checking.Unlock()
	if s.gone.Load() == nil {
		if err := s.claimed.check(); err != nil {
			s.gone.Store(&err)
			s.o.Logf("%v: events are refused until you restart the listener", err)
			for _, r := range s.routes() {
				if f := r.forwarder.Load(); f != nil {
					f.stop() // deliveries can no longer be recorded
				}
			}
			s.suspect()
		}
	}
	space, err := freeSpace(s.o.Dir)
	full := err == nil && (space.bytes < s.o.MinFree || space.files < minFreeFiles)
	if was := s.diskFull.Swap(full); was != full {
		if full {
			s.o.Logf("the disk with %s is full (room for %d MiB and %d files): events are refused", s.o.Dir, space.bytes>>20, space.files)
		} else {
			s.o.Logf("the disk with %s has space again: events are accepted", s.o.Dir)
		}
	}
}

// suspect makes repairLoop check the embedded server's health.
func (s *Store) suspect() {
	select {
	case s.mend <- struct{}{}:
	default:
	}
}

// heard is called with the result of each publish.
func (s *Store) heard(err error) {
	if err == nil {
		s.acked.Store(time.Now().UnixNano())
		return
	}
	if errors.Is(err, errNoAnswer) && time.Now().UnixNano()-s.acked.Load() > int64(s.Queue.o.AckTimeout/2) && !s.broken.Swap(true) {
		s.o.Logf("the store in %s does not respond: refusing events and restarting the store", s.o.Dir)
		s.suspect()
	}
}

// repairLoop restarts the embedded server after a failed write, because the stream then refuses all
// further events. It tries again until the restart succeeds.
func (s *Store) repairLoop() {
	ticks := time.NewTicker(upkeepPeriod)
	defer ticks.Stop()
	for {
		select {
		case <-s.mend:
		case <-ticks.C:
			s.inspect()
		case <-s.closing.Done():
			return
		}
		if s.gone.Load() != nil {
			if !s.claimed.replaced() { // else another process may use the new folder
				s.server.Stop()
			}
			return
		}
		if err := s.server.Health(s.streamName("EVENTS")); err != nil && !s.broken.Swap(true) {
			s.o.Logf("the store in %s failed, restarting it: %v", s.o.Dir, err)
		}
		for failed := ""; s.broken.Load() && s.gone.Load() == nil; {
			s.server.Stop()
			select {
			case <-time.After(mendPause):
			case <-s.closing.Done():
				return
			}
			if s.inspect(); s.diskFull.Load() {
				continue // starting needs space, too; waiting events are safe meanwhile
			}
			if err := s.restart(s.closing); err != nil && failed != err.Error() {
				failed = err.Error()
				s.o.Logf("the store did not restart: %v", err)
			}
		}
	}
}

// restart starts the server again. It also checks that the server still knows which
// events were forwarded, because a full disk may have damaged that state too.
func (s *Store) restart(ctx context.Context) error {
	if err := s.startAgain(ctx); err != nil {
		return err
	}
	s.acked.Store(time.Now().UnixNano())
	s.broken.Store(false)
	s.announce(false)
	ctx, cancel := context.WithTimeout(ctx, mendTimeout)
	defer cancel()
	if state, err := s.Status(ctx); err == nil {
		s.o.Logf("the store in %s is running again; %d events are waiting", s.o.Dir, state.Waiting)
	}
	return nil
}

func (s *Store) startAgain(ctx context.Context) error {
	if err := s.server.Start(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, mendTimeout)
	defer cancel()
	if err := s.connected(ctx); err != nil {
		return err
	}
	if err := s.server.Health(s.streamName("EVENTS")); err != nil {
		return err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	known := positions{floors: s.written.Load().floors(), former: s.former}
	for _, r := range s.routes() {
		if _, ok := known.floors[r.name]; !ok { // a new route, if the disk was full from the start
			known.floors[r.name] = r.floor.Load()
		}
	}
	return s.openRoutes(ctx, known)
}

// connected waits until this process is connected to the server again.
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

// space is the free space on a disk.
type space struct{ bytes, files int64 }
