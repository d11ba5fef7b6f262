package mender

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

const (
	// DefaultInterval is how often a Follower asks for new events.
	DefaultInterval = 2 * time.Second
	// margin is how far behind the newest event a Follower looks: Mender
	// saves events in any order, up to 10 s late.
	margin = 75 * time.Second
	// saveEvery is how often Checkpoint is called while many events are
	// given, and keepEvery while none come.
	saveEvery, keepEvery = time.Second, time.Minute
)

// FollowOptions say what a Follower gives, and from where on. The zero value
// gives every event that is saved after it has begun.
type FollowOptions struct {
	// IntegrationID leaves the events that went to one integration, as in an
	// EventQuery.
	IntegrationID string
	// Want, if not nil, says which events are given.
	Want func(*Event) bool
	// Last is how many of the events that are there already are given first.
	Last int
	// Since, if not zero, takes the place of Last: all events since then, by
	// the server's clock, come first.
	Since time.Time
	// Resume, if not nil, takes the place of both: the Follower goes on where
	// the one of that state ended.
	Resume *FollowState
	// Interval is the time from one look at the log to the next; 0 is
	// DefaultInterval. It gets longer only when the server asks for it.
	Interval time.Duration
	// Notice, if not nil, is told what happens to the connection.
	Notice func(Notice)
	// Checkpoint, if not nil, is given the state whenever it is worth being
	// kept: all events up to it have been given, and the reader has come
	// back for more. An error ends the Follower.
	Checkpoint func(FollowState) error
}

// ErrFollowState is the error of a FollowState that belongs to another log.
var ErrFollowState = errors.New("the state to go on from is not of this log")

// Follower gives the events of the log as they arrive: each once, whatever
// moves, fails or restarts meanwhile. It is not safe for concurrent use.
//
// Of what one look at the log finds, the oldest comes first. An event that is
// saved late is given when it is seen; one that is saved more than a minute
// late may be missed, which Mender's 10 s for a delivery rule out.
//
// It needs memory for the ids of the last minute's events, for a few thousand
// more, and for some ten thousand events where that many are new: of more it
// gives the oldest first, and comes back for the others. This machine's clock
// does not matter.
type Follower struct {
	client  *Client
	opt     FollowOptions
	memory  memory
	contact contact
	begun   bool // the first look is done
	polls   int
	fresh   int // events in the last minute, for the size of a page
	most    int // events that are held of a look, about
	skip    int // where the next look begins, in events from the log's new end
	// catchingUp says that the look before left newer events for this one.
	catchingUp bool
	// base is up to where the log is known for certain: a look goes back to
	// margin before it. last is the end of the latest complete look.
	base, last mark
	// readAt is the server's time at the last whole look.
	readAt time.Time
	// settled is when no event can be saved any more with a time from before
	// the server's clock was set back.
	settled time.Time
	started time.Time // when Events was called
	savedAt time.Time // when the state to go on from was saved, by this machine
	saved   time.Time // when Checkpoint was last called, by this machine
	dirty   bool      // events were given since
}

// Follow makes a Follower. It sends nothing. It fails with ErrFollowState
// where Resume is of another server or integration.
func (c *Client) Follow(o FollowOptions) (*Follower, error) {
	if o.Interval <= 0 {
		o.Interval = DefaultInterval
	}
	if o.Notice == nil {
		o.Notice = func(Notice) {}
	}
	if o.Want == nil {
		o.Want = func(*Event) bool { return true }
	}
	f := &Follower{client: c, opt: o, memory: newMemory(), most: mostHeld}
	f.contact = contact{interval: o.Interval, notice: o.Notice}
	if o.Resume != nil {
		if err := f.restore(*o.Resume); err != nil {
			return nil, err
		}
		f.contact.ever = true // it proves that the server is the right one
	}
	return f, nil
}

// Events follows the log until ctx ends, the reader stops, or the server
// refuses: the token (ErrUnauthorized, ErrForbidden), or the request itself.
// Until the server has answered once, being out of reach ends it too, after a
// few tries, unless it resumes. The error comes as the last thing; it is ctx's own at its end.
//
// An event counts as given when the reader comes back for the next one.
func (f *Follower) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		err := f.run(ctx, func(e Event) bool { return yield(e, nil) })
		if f.dirty {
			err = errors.Join(err, f.checkpoint())
		}
		if err != nil && !errors.Is(err, errReaderGone) {
			yield(Event{}, err)
		}
	}
}

var errReaderGone = errors.New("the reader wants no more")

func (f *Follower) run(ctx context.Context, give func(Event) bool) error {
	f.started = time.Now()
	for {
		next := time.NewTimer(f.opt.Interval)
		found, err := f.look(ctx)
		if err == nil {
			f.begin(found)
			err = f.giveAll(ctx, found, give)
		}
		if err == nil {
			f.done(found)
			err = f.maybeCheckpoint(f.dirty, keepEvery)
		}
		if err != nil {
			next.Stop()
			return err
		}
		if found.partial() {
			next.Stop()
			continue
		}
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
			return context.Cause(ctx)
		}
	}
}

// giveAll hands over what a look has found. What is not taken any more stays
// unseen.
func (f *Follower) giveAll(ctx context.Context, l *look, give func(Event) bool) error {
	l.sort()
	for _, found := range l.news {
		if !found.wanted {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !give(found.event) {
			return errReaderGone
		}
		f.memory.add(found.event.ID, found.at)
		f.dirty = true
		if err := f.maybeCheckpoint(true, saveEvery); err != nil {
			return err
		}
	}
	return nil
}

// begin takes note of what will not be given, before any event is: a state
// that is kept halfway has to tell the two apart.
func (f *Follower) begin(l *look) {
	if l.first || l.setBack && l.horizon.Before(f.memory.floor) {
		f.memory.floor = l.floor
	}
	for _, found := range l.news {
		if !found.wanted {
			f.memory.add(found.event.ID, found.at)
		}
	}
	f.begun = true
}

// done ends a look: the next one begins where this one ended.
func (f *Follower) done(l *look) {
	if !l.shallow {
		next := f.advanced(l)
		// While the log moved, events of the same millisecond may have changed
		// places across the edge of a page: the next look goes there again.
		if f.base = next; l.moved {
			f.base = f.last
		}
		f.last = next
		if !l.serverTime.IsZero() && !l.partial() {
			f.readAt = l.serverTime
		}
	}
	f.skip, f.catchingUp = l.next(f.most), l.partial()
	f.fresh = f.memory.prune(f.base.at.Add(-margin))
	f.polls++
}

// advanced returns how far the log is known after a look.
func (f *Follower) advanced(l *look) mark {
	newest := l.newestKept()
	if f.last.at.After(newest) {
		newest = f.last.at
	}
	if l.partial() {
		return mark{at: newest}
	}
	m := mark{at: newest, server: l.serverTime, asked: l.asked, answered: l.answered}
	if l.setBack {
		f.settled = l.answered.Add(saveDelay)
	}
	if now, ok := f.last.now(l.serverTime); ok && (now.After(newest) || l.answered.Before(f.settled)) {
		m.at = now
	}
	return m
}

// maybeCheckpoint calls Checkpoint where it has not been called for some time.
func (f *Follower) maybeCheckpoint(changed bool, every time.Duration) error {
	if f.opt.Checkpoint == nil || !changed && !f.saved.IsZero() && time.Since(f.saved) < every {
		return nil
	}
	if changed && every == saveEvery && time.Since(f.saved) < every {
		return nil
	}
	return f.checkpoint()
}

func (f *Follower) checkpoint() error {
	if f.opt.Checkpoint == nil {
		return nil
	}
	f.saved, f.dirty = time.Now(), false
	if err := f.opt.Checkpoint(f.State()); err != nil {
		return fmt.Errorf("keep where the log was read to: %w", err)
	}
	return nil
}
