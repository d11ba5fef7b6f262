package relay

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Recovery is the state in which Open found a store.
type Recovery struct {
	// Unclean reports that the previous process did not close the store.
	Unclean bool
	// Waiting, Kept and Dead count the events in the store; Kept ones were delivered.
	Waiting, Kept, Dead uint64
	// Lost counts acknowledged events that are missing, waiting or not. It is
	// exact after a clean stop, and a lower bound after an unclean one.
	Lost uint64
	// Complete reports that a check found no acknowledged event missing.
	Complete bool
	// Uncertain reports that the machine may have stopped before the events
	// of the last second were on disk.
	Uncertain bool
}

// Recovery returns the state in which Open found the store.
func (s *Store) Recovery() Recovery { return s.recovery }

// assess compares the store with its record.
func (s *Store) assess(ctx context.Context, before record, known bool) error {
	now, p, state, err := s.measure(ctx)
	if err != nil {
		return err
	}
	r := &s.recovery
	r.Waiting, r.Kept, r.Dead = state.Waiting, state.Kept, state.Dead
	last, removed := s.ledger.figures()
	switch {
	case !known:
		r.Complete = p.last == 0 && !r.Unclean
	case before.Version < recordVersion:
		r.Lost = over(before.Last, p.last)
	case !before.Open:
		r.Lost = over(before.Messages, now.Messages) + over(before.Dead, now.Dead)
		r.Complete = r.Lost == 0
	default:
		r.Unclean = true
		r.Uncertain = !before.Sync && (before.Boot == "" || before.Boot != s.boot)
		allowed := before.Holes + over(removed, before.Removed)
		r.Lost = over(max(last, before.Last), p.last) + over(now.Holes, allowed) + over(before.Dead, now.Dead+over(removed, before.Removed))
		r.Complete = r.Lost == 0 && !r.Uncertain && p.first <= max(p.floor, before.Floor, s.ledger.givenUp)+1
	}
	return nil
}

// over returns by how much a exceeds b.
func over(a, b uint64) uint64 { return max(a, b) - b }

// describe returns a sentence about losses, or "".
func (r Recovery) describe(dir string, forgotten bool) string {
	var b strings.Builder
	switch {
	case r.Lost > 0 && r.Unclean:
		fmt.Fprintf(&b, "the store in %s was not closed and has lost at least %s", dir, events(r.Lost))
	case r.Lost > 0:
		fmt.Fprintf(&b, "the store in %s has lost %s since it was closed", dir, events(r.Lost))
	case r.Uncertain:
		fmt.Fprintf(&b, "the machine stopped while the store in %s was open: without --sync, events of the last second may be lost", dir)
	case r.Unclean && r.Complete:
		fmt.Fprintf(&b, "the store in %s was not closed: every acknowledged event is there, but some may be forwarded again", dir)
	case r.Unclean:
		fmt.Fprintf(&b, "the store in %s was not closed, and there is no record to check for lost events", dir)
	}
	if forgotten {
		if b.Len() == 0 {
			fmt.Fprintf(&b, "the store in %s is damaged", dir)
		}
		fmt.Fprintf(&b, "; which events were forwarded is unknown, so all %d are forwarded again", r.Waiting)
	}
	return b.String()
}

func events(n uint64) string {
	if n == 1 {
		return "1 acknowledged event"
	}
	return fmt.Sprintf("%d acknowledged events", n)
}

// tick saves the record, and announces the server again if that failed.
func (s *Store) tick(p position, state Status, removed uint64) {
	if s.gone.Load() != nil {
		return
	}
	if !s.announced.Load() {
		s.announce(false)
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	_ = s.keepRecord(s.recordOf(p, state, removed)) // retried at the next tick
}

// closeRecord writes the last record.
func (s *Store) closeRecord() error {
	if s.gone.Load() != nil || !s.server.Running() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastLook)
	defer cancel()
	r, _, _, err := s.measure(ctx)
	if err != nil {
		// The record stays open: the next process checks as after a kill.
		return nil // a server that has failed was reported
	}
	if s.brief {
		return s.adjustRecord(r)
	}
	if s.retention.note(time.Now(), r.Floor, 0, true) {
		s.saveRetention(s.retention)
	}
	r.Open = false
	return s.keepRecord(r)
}

// adjustRecord applies the changes of an admin command to the record of the last
// listener.
func (s *Store) adjustRecord(now record) error {
	was, left := s.opened, *s.written.Load()
	if left.Version < recordVersion || (now.Messages == was.Messages && now.Dead == was.Dead && now.Last == was.Last) {
		return nil
	}
	left.Messages += now.Messages - was.Messages // unsigned: a decrease wraps around and back
	left.Dead += now.Dead - was.Dead
	left.Holes += now.Holes - was.Holes
	left.Last += now.Last - was.Last
	return writeJSON(s.o.Dir, recordFile, left)
}
