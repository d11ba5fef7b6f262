package relay

import (
	"context"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Intervals and limits of the upkeep.
const (
	upkeepPeriod = time.Second
	prunePeriod  = time.Minute
	highWater    = 0.90 // share of MaxBytes above which delivered events are removed
	lowWater     = 0.75 // share of MaxBytes at which removing stops
	// fullPeriod is how long the queue counts as full after an attempt to make room
	// failed, so that refusing events is cheap.
	fullPeriod = 100 * time.Millisecond
)

// minWindow is the shortest deduplication window. The upkeep must be able to
// extend it before it ends.
const minWindow = 10 * prunePeriod

// maintain removes old delivered events, makes room and updates Stats until the
// queue is closed. It calls tick, unless nil, once a period.
func (q *Queue) maintain(tick func(position, Status, uint64)) {
	ctx := q.closing
	q.look(ctx, tick)
	q.done.Go(func() {
		ticker := time.NewTicker(upkeepPeriod)
		defer ticker.Stop()
		pruned := time.Now().Add(-prunePeriod)
		for {
			if time.Since(pruned) >= prunePeriod {
				pruned = time.Now()
				q.prune(ctx)
				if _, err := q.adjustWindow(ctx); err != nil && ctx.Err() == nil {
					q.o.Logf("the deduplication window cannot be changed: %v", err)
				}
			}
			select {
			case <-ticker.C:
				q.look(ctx, tick)
			case <-ctx.Done():
				return
			}
		}
	})
}

// look updates the queue's figures, and makes room before the queue is full.
func (q *Queue) look(ctx context.Context, tick func(position, Status, uint64)) {
	ctx, cancel := context.WithTimeout(ctx, q.o.apiTimeout())
	defer cancel()
	q.logGivenUp(time.Now())
	_, removed := q.ledger.figures() // before the events are counted
	s, p, err := q.status(ctx)
	q.heal(ctx, err)
	if err != nil {
		return // the next look may succeed; a publish reports the error
	}
	for _, at := range p.routes {
		at.route.floor.Store(at.floor)
		if f := at.route.forwarder.Load(); f != nil {
			f.tracker.passed(at.floor)
		}
	}
	q.watch(ctx, p)
	q.counters.dead.Store(int64(s.Dead))
	q.takeSnapshot(s)
	if q.retention.note(time.Now(), p.floor, q.o.Keep/retentionMarks, false) && q.retained != nil {
		q.retained(q.retention)
	}
	if tick != nil {
		tick(p, s, removed)
	}
	if s.MaxBytes > 0 && float64(s.Bytes) > highWater*float64(s.MaxBytes) {
		q.room.Lock()
		defer q.room.Unlock()
		q.removeDelivered(ctx, 0)
	}
}

// prune removes events that were delivered at least Keep ago.
func (q *Queue) prune(ctx context.Context) {
	q.room.Lock()
	defer q.room.Unlock()
	s, p, err := q.status(ctx)
	if err != nil || s.Kept == 0 {
		return
	}
	until := min(min(q.retention.expired(time.Now().Add(-q.o.Keep)), p.floor)+1, q.unread(ctx))
	if until <= p.first {
		return
	}
	if err := q.purge(ctx, until); err != nil && ctx.Err() == nil {
		q.o.Logf("events delivered more than %s ago cannot be removed: %v", q.o.Keep, err)
	}
}

// adjustWindow extends the deduplication window to the age of the oldest event,
// and not much further, because each id takes about 160 bytes of memory. It reports
// whether the window was too short and the server has forgotten ids; a restart makes
// the server read them again.
func (q *Queue) adjustWindow(ctx context.Context) (late bool, err error) {
	info, err := q.events.Info(ctx)
	if err != nil {
		return false, readError(err)
	}
	var age time.Duration
	if info.State.Msgs > 0 {
		age = time.Since(info.State.FirstTime)
	}
	config := info.Config
	if config.Description != eventsDescription {
		return false, nil // its owner decides
	}
	window, want := config.Duplicates, age+age/4+minWindow
	if age+2*prunePeriod <= window && want*2 >= window {
		return false, nil
	}
	config.Duplicates = want
	_, err = q.js.UpdateStream(ctx, config)
	return age >= window, err
}

// makeRoom removes delivered events, oldest first, until a quarter of the room is free
// and an event of the given size fits. If there are none, it gives up other events. It
// reports whether it removed any.
func (q *Queue) makeRoom(ctx context.Context, size uint64) bool {
	if snap := q.snapshot.Load(); snap != nil && snap.MaxBytes > 0 && size > uint64(snap.MaxBytes) {
		return false // it never fits
	}
	q.room.Lock()
	defer q.room.Unlock()
	if time.Since(q.full) < fullPeriod {
		return false
	}
	made := q.removeDelivered(ctx, size) || q.giveUp(ctx, size)
	if !made {
		q.full = time.Now()
	}
	return made
}

// limit returns the size to which to reduce the stream, so that at most a share of its
// room is used and an event of the given size fits.
func (s Status) limit(share float64, size uint64) uint64 {
	if s.MaxBytes <= 0 { // the account is full, not the stream
		return uint64(share * float64(s.Bytes))
	}
	return min(uint64(share*float64(s.MaxBytes)), over(uint64(s.MaxBytes), size))
}

// estimate returns the sequence up to which to remove events in order to reduce the
// stream to limit. Events have about the same size, so their number is a good estimate.
func (p position) estimate(bytes, limit uint64) uint64 {
	share := float64(over(bytes, limit)) / float64(bytes)
	return p.first + uint64(share*float64(p.last-p.first+1))
}

// removeDelivered does the work of makeRoom for delivered events. The caller holds room.
func (q *Queue) removeDelivered(ctx context.Context, size uint64) bool {
	s, p, err := q.status(ctx)
	if err != nil {
		return false
	}
	limit := s.limit(lowWater, size)
	if s.Bytes <= limit && s.MaxBytes > 0 {
		return true // another call was faster
	}
	made := false
	if p.floor >= p.first {
		until := p.estimate(s.Bytes, limit)
		if err := q.purge(ctx, min(until, p.floor)+1); err != nil {
			if ctx.Err() == nil {
				q.o.Logf("delivered events cannot be removed to make room: %v", err)
			}
			return false
		}
		if until <= p.floor {
			return true
		}
		made = true
		if s, p, err = q.status(ctx); err != nil {
			return made
		}
	}
	return len(q.removePassed(ctx, p, &q.passed, over(s.Bytes, limit))) > 0 || made
}

// removePassed removes events that all routes of p delivered while an earlier one keeps
// failing, until it has freed about the given number of bytes, and returns their
// sequences. If several events of a route are unsettled, only this process's forwarder
// knows which.
func (q *Queue) removePassed(ctx context.Context, p position, c *search, bytes uint64) (removed []uint64) {
	if p.messages == 0 {
		return nil
	}
	delivered := q.passedBy(p, c)
	for size := bytes/p.messages + 1; bytes > 0 && ctx.Err() == nil; {
		seq, ok := delivered()
		if !ok {
			break
		}
		q.ledger.remove()
		if q.events.DeleteMsg(ctx, seq) == nil { // else there is no event any more
			removed, bytes = append(removed, seq), over(bytes, size)
		}
	}
	return removed
}

// search is how far a search for events to remove has come.
type search struct {
	reached uint64   // events up to here were removed, or are among the skipped
	skipped []uint64 // events that had to stay when others were removed
}

// passedBy returns a function that yields the events after the first failed one that all
// routes of p have settled. It begins with events that earlier calls skipped.
func (q *Queue) passedBy(p position, c *search) func() (uint64, bool) {
	settled := make([]func(uint64) bool, len(p.routes))
	delivered := p.last // no route has settled an event after it
	for i, at := range p.routes {
		settled[i] = q.settledBy(at)
		delivered = min(delivered, at.delivered)
	}
	again, next := len(c.skipped), max(c.reached, p.floor, over(p.first, 1))+1
	if next > delivered+1 { // a stream that was created again
		next = p.floor + 1
	}
	return func() (uint64, bool) {
		for {
			var seq uint64
			switch {
			case again > 0:
				seq, c.skipped = c.skipped[0], c.skipped[1:]
				again--
			case next <= delivered:
				seq, next = next, next+1
				c.reached = seq
			default:
				return 0, false
			}
			switch {
			case seq <= p.floor:
			case slices.ContainsFunc(settled, func(by func(uint64) bool) bool { return !by(seq) }):
				c.skipped = append(c.skipped, seq)
			default:
				return seq, true
			}
		}
	}
}

// settledBy returns a function that reports whether a route is known to have settled an
// event.
func (q *Queue) settledBy(at routePosition) func(seq uint64) bool {
	t := new(tracker)
	if f := at.route.forwarder.Load(); f != nil {
		t = &f.tracker
	}
	open := t.open()
	taken := 0
	for seq := range open {
		if seq <= at.delivered {
			taken++
		}
	}
	// The tracker knows every open (unsettled) event if there is no other listener
	// and it has as many as the server counted. Then all others are settled;
	// otherwise, only the events that the tracker knows to be settled are. The first
	// event after the floor is always open.
	all := q.o.single && (taken >= at.open || at.open == 1)
	open[at.floor+1] = struct{}{}
	return func(seq uint64) bool {
		_, isOpen := open[seq]
		return seq <= at.floor || seq <= at.delivered && !isOpen && (all || t.isSettled(seq))
	}
}

// purge removes all events before a sequence.
func (q *Queue) purge(ctx context.Context, before uint64) error {
	return q.events.Purge(ctx, jetstream.WithPurgeSequence(before))
}
