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
	// margin is how far before the newest event a Follower looks: Mender saves
	// events in any order, up to 10 s late.
	margin = 75 * time.Second
	// saveEvery is how often Checkpoint is called while events come, keepEvery
	// how often while none do.
	saveEvery, keepEvery = time.Second, time.Minute
)

// FollowOptions are the settings of a Follower. The zero value returns every
// event that is saved after the Follower has begun.
type FollowOptions struct {
	// Query selects the events. Its Limit is how many of the existing events
	// come first, and 0 is none; if Since is set, all existing events since
	// then come first. Until is ignored.
	Query Query
	// Resume continues where the Follower of this state ended, instead of
	// Limit and Since.
	Resume *FollowState
	// Interval is the time between two polls of the log; 0 is DefaultInterval.
	// It gets longer only if the server asks for it.
	Interval time.Duration
	// Notice receives news of the connection; nil drops them.
	Notice func(Notice)
	// Checkpoint receives the state whenever it is worth saving: all events up
	// to it were returned and taken. An error ends the Follower; nil saves
	// nothing.
	Checkpoint func(FollowState) error
	// Clock is this machine's; nil is time.Now. It only matters in a state.
	Clock func() time.Time
}

// errFollowState means that a FollowState belongs to another log.
var errFollowState = errors.New("the state belongs to another log")

// Follower returns the events of the log as they arrive: each once, even if
// pages shift, or the server fails or restarts. It is not safe for concurrent use.
//
// Of the events that one look at the log finds, the oldest comes first. An event
// that is saved late is returned when it is seen; one that is saved more than a
// minute late may be missed, which Mender's limit of 10 s for a delivery rules
// out. After the server's clock was set back by more than the remembered ids
// reach, an event may come twice.
//
// It needs memory for the ids of the last minute's events, for a few thousand
// more, and for about ten thousand events if that many are new: of more it
// returns the oldest first and then reads the rest.
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
	// catchingUp means that the previous look left newer events to this one.
	catchingUp bool
	// base is up to where the log is known for certain: a look goes back to
	// margin before it. last is the end of the latest complete look.
	base, last mark
	// settled is when no event can be saved any more with a time from before
	// the server's clock was set back.
	settled time.Time
	// readAt is the server's time at the last look that reached the new end.
	readAt  time.Time
	started time.Time // when Events was called
	savedAt time.Time // when the resumed state was saved, by this machine's clock
	saved   time.Time // when Checkpoint was last called
	dirty   bool      // events were returned since
}

// Follow returns a Follower and sends nothing. It returns errFollowState if
// Resume is of another server or integration.
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
		f.contact.ever = true // the state proves that the server is the right one
	}
	return f, nil
}

// Events follows the log until ctx ends, the reader stops, or the server
// refuses the token or the request. Until the server has answered once, an
// unreachable server ends it as well, after a few attempts, unless it resumes.
// The error is the last value; it is ctx's own when ctx ends.
//
// An event counts as taken when the reader asks for the next one.
func (f *Follower) Events(ctx context.Context) iter.Seq2[mender.Event, error] {
	return func(yield func(mender.Event, error) bool) {
		err := f.run(ctx, func(e mender.Event) bool { return yield(e, nil) })
		if f.dirty {
			err = errors.Join(err, f.checkpoint())
		}
		if err != nil && !errors.Is(err, errReaderGone) {
			yield(mender.Event{}, err)
		}
	}
}

// Wait returns the first event that a query selects among those that arrive
// from now on, or, if Since is set, since then. ready is called when the
// existing events were looked at. The error is ctx's own when ctx ends.
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

var errReaderGone = errors.New("the reader wants no more")

func (f *Follower) run(ctx context.Context, give func(mender.Event) bool) error {
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

// giveAll returns what a look has found. Events that are not taken any more
// stay unseen.
func (f *Follower) giveAll(ctx context.Context, l *look, give func(mender.Event) bool) error {
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

// begin records the events that will not be returned before any is returned, so
// that a state that is saved halfway can tell the two apart.
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
	newest := later(l.newestKept(), f.last.at)
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

// maybeCheckpoint calls Checkpoint if it has not been called for some time.
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
