package eventlog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

const (
	// DefaultInterval is the time between two polls of the log.
	DefaultInterval = 2 * time.Second
	// margin is how far before the newest known event a Follower reads the log
	// again, since Mender saves events in any order, up to 10 s late.
	margin = 75 * time.Second
	// saveEvery is how often Checkpoint is called while events arrive, and
	// keepEvery how often while none do.
	saveEvery, keepEvery = time.Second, time.Minute
)

// FollowOptions are the settings of a Follower. The zero value follows every
// event that is saved after the Follower starts.
type FollowOptions struct {
	// Query selects the events. Its Limit is how many existing events to return
	// first; 0 means none. If Since is set, all existing events since then are
	// returned first. Until is ignored.
	Query Query
	// Resume, if not nil, continues where the Follower that saved this state
	// stopped. Limit and Since are then ignored.
	Resume *FollowState
	// Interval is the time between two polls of the log; 0 means
	// DefaultInterval. Polls are less frequent only if the server asks for it.
	Interval time.Duration
	// Notice receives news about the connection; nil discards it.
	Notice func(Notice)
	// Checkpoint receives the state whenever it is worth saving. The reader has
	// consumed all events up to this state. If Checkpoint returns an error, the
	// Follower stops. If it is nil, nothing is saved.
	Checkpoint func(FollowState) error
	// Clock returns the time by this machine's clock; nil means time.Now. It
	// matters only for saving and resuming a state.
	Clock func() time.Time
}

// errFollowState means that a FollowState belongs to another log.
var errFollowState = errors.New("the state belongs to another log")

// Follower returns the events of the log as they arrive: each once, even if
// pages shift, or the server fails or restarts. It is not safe for concurrent
// use.
//
// The events that are found in one look at the log are returned oldest first. An
// event that is saved late is returned when it is found. One that is saved more
// than a minute late may be missed, but Mender's time limit of 10 s for a
// delivery rules that out. If the server's clock is set back further than the
// remembered ids reach, an event may be returned twice.
//
// A Follower needs memory for the ids of the last minute's events and of a few
// thousand more, and for about ten thousand new events. If more are new, it
// returns the oldest of them first and then reads the rest.
type Follower struct {
	client  *mender.Client
	opt     FollowOptions
	memory  memory
	contact contact
	begun   bool // the first look is done
	polls   int
	fresh   int // events in the last minute, for the size of a page
	most    int // events that a look holds, roughly
	skip    int // where the next look begins, in events from the log's new end
	// catchingUp means that the previous look left newer events for this one.
	catchingUp bool
	// base is the point up to which the log is certainly known: a look reads
	// back to margin before it. last is the end of the latest complete look.
	base, last mark
	// settled is the moment after which no more events can be saved with a time
	// from before the server's clock was set back.
	settled time.Time
	// readAt is the server's time at the last look that read the newest events.
	readAt  time.Time
	started time.Time // when Events was called
	savedAt time.Time // when the resumed state was saved, by this machine's clock
	saved   time.Time // when Checkpoint was last called
	dirty   bool      // events were returned since then
}

// Follow returns a Follower without sending anything. It returns errFollowState
// if Resume is for another server or integration.
func (l *Log) Follow(o FollowOptions) (*Follower, error) {
	if o.Interval <= 0 {
		o.Interval = DefaultInterval
	}
	if o.Notice == nil {
		o.Notice = func(Notice) {}
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	f := &Follower{client: l.client.WithoutRetries(), opt: o, memory: newMemory(), most: mostHeld}
	f.contact = contact{interval: o.Interval, notice: o.Notice}
	if o.Resume != nil {
		if err := f.restore(*o.Resume); err != nil {
			return nil, err
		}
		f.contact.ever = true // the state proves that this server has answered before
	}
	return f, nil
}

// Events follows the log until ctx ends, the reader stops, or the server refuses
// the token or the request. If the server has never answered, Events also stops
// after a few failed attempts to reach it, unless it resumes from a state. The
// error is the last value; it is context.Cause(ctx) when ctx ends, unless the last
// Checkpoint failed.
//
// An event counts as consumed when the reader asks for the next one.
func (f *Follower) Events(ctx context.Context) iter.Seq2[mender.Event, error] {
	return func(yield func(mender.Event, error) bool) {
		err := f.run(ctx, func(e mender.Event) bool { return yield(e, nil) })
		if f.dirty {
			failed := f.checkpoint()
			if failed != nil && ctx.Err() != nil {
				err = nil // the end of ctx is no failure, and would hide this one
			}
			err = errors.Join(err, failed)
		}
		if err != nil && !errors.Is(err, errReaderGone) {
			yield(mender.Event{}, err)
		}
	}
}

// Wait returns the first event that matches the query and arrives from now on,
// or after Since if that is set. It calls ready once the existing events have
// been checked. The error is context.Cause(ctx) when ctx ends.
func (l *Log) Wait(ctx context.Context, o FollowOptions, ready func()) (mender.Event, error) {
	waiting := false
	o.Query.Limit = 0
	o.Checkpoint = func(FollowState) error {
		if !waiting {
			waiting = true
			ready()
		}
		return nil
	}
	follower, err := l.Follow(o)
	if err != nil {
		return mender.Event{}, err
	}
	for e, err := range follower.Events(ctx) {
		return e, err
	}
	return mender.Event{}, context.Cause(ctx)
}

var errReaderGone = errors.New("the reader stopped")

func (f *Follower) run(ctx context.Context, give func(mender.Event) bool) error {
	f.started = time.Now()
	for {
		next := time.NewTimer(f.opt.Interval)
		found, err := f.look(ctx)
		if err == nil {
			f.begin(found)
			err = f.yieldAll(ctx, found, give)
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

// yieldAll passes the events that a look has found to the reader. Events that the
// reader no longer wants are not remembered as seen.
func (f *Follower) yieldAll(ctx context.Context, l *look, give func(mender.Event) bool) error {
	l.sort()
	for _, found := range l.newEvents {
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

// begin marks the events that will not be returned as seen, before any other
// event is returned. A state that is saved halfway then covers them, but not the
// events that are still to be returned.
func (f *Follower) begin(l *look) {
	if l.first || l.setBack && l.horizon.Before(f.memory.floor) {
		f.memory.floor = l.floor
	}
	for _, found := range l.newEvents {
		if !found.wanted {
			f.memory.add(found.event.ID, found.at)
		}
	}
	f.begun = true
}

// done ends a look, and sets where the next one begins.
func (f *Follower) done(l *look) {
	if !l.shallow {
		next := f.advanced(l)
		// If events arrived between two pages, events of the same millisecond
		// may have moved across the edge of a page: the next look reads that
		// part again.
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

// advanced returns the point up to which the log is known after a look.
func (f *Follower) advanced(l *look) mark {
	newest := later(l.knownUntil(), f.last.at)
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

// maybeCheckpoint calls Checkpoint unless it was called recently.
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
		return fmt.Errorf("save how far the log was read: %w", err)
	}
	return nil
}
