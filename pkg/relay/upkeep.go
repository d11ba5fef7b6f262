package relay

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Upkeep: how often the queue is looked after, and when room is made.
const (
	upkeepPeriod = time.Second
	prunePeriod  = time.Minute
	highWater    = 0.90 // of MaxBytes: room is made
	lowWater     = 0.75 // of MaxBytes: room enough
	// fullPeriod is how long the queue is taken for full once no room could
	// be made, so that refusing is cheap while events pour in.
	fullPeriod = 100 * time.Millisecond
)

// minWindow is the shortest time for which the stream knows ids. The upkeep
// has to come by before it is over.
const minWindow = 10 * prunePeriod

// maintain looks after the queue until it is closed: it forgets what was
// delivered long ago, makes room, and keeps the figures that Stats gives.
// tick, where it is given, is called once a period.
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
					q.o.Logf("can't change how long the stream knows ids: %v", err)
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

// look takes the queue's figures, and makes room before there is none left.
func (q *Queue) look(ctx context.Context, tick func(position, Status, uint64)) {
	ctx, cancel := context.WithTimeout(ctx, q.o.apiTimeout())
	defer cancel()
	_, removed := q.ledger.figures() // before the events are counted
	s, p, err := q.status(ctx)
	q.heal(ctx, p, err)
	if err != nil {
		return // the next look may do; a publish says what is wrong
	}
	if f := q.forwarder.Load(); f != nil {
		f.tracker.passed(p.floor)
	}
	q.counters.dead.Store(int64(s.Dead))
	q.takeSnapshot(s)
	if q.retention.note(time.Now(), p.floor, q.o.Keep/retentionMarks, false) && q.retained != nil {
		q.retained(q.retention)
	}
	if tick != nil {
		tick(p, s, removed)
	}
	if s.MaxBytes > 0 && float64(s.Bytes) > highWater*float64(s.MaxBytes) {
		q.makeRoom(ctx)
	}
}

// prune forgets what was delivered longer ago than Keep.
func (q *Queue) prune(ctx context.Context) {
	s, p, err := q.status(ctx)
	if err != nil || s.Kept == 0 {
		return
	}
	until := min(q.retention.expired(time.Now().Add(-q.o.Keep)), p.floor) + 1
	if until <= p.first {
		return
	}
	if err := q.purge(ctx, until); err != nil && ctx.Err() == nil {
		q.o.Logf("can't remove events delivered more than %s ago: %v", q.o.Keep, err)
	}
}

// adjustWindow makes the stream know the ids of all that it keeps, and not of
// much more: each takes some 160 bytes of memory, kept or not. It reports
// whether the window was too short already: ids were forgotten then, which
// only a restart of the server brings back.
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
		return false, nil // its owner's business
	}
	window, want := config.Duplicates, age+age/4+minWindow
	if age+2*prunePeriod <= window && want*2 >= window {
		return false, nil
	}
	config.Duplicates = want
	_, err = q.js.UpdateStream(ctx, config)
	return age >= window, err
}

// makeRoom removes delivered events, oldest first, until a quarter of the
// room is free. It reports whether it could remove any.
func (q *Queue) makeRoom(ctx context.Context) bool {
	q.room.Lock()
	defer q.room.Unlock()
	if time.Since(q.full) < fullPeriod {
		return false
	}
	made := q.removeDelivered(ctx)
	if !made {
		q.full = time.Now()
	}
	return made
}

// removeDelivered does makeRoom's work.
func (q *Queue) removeDelivered(ctx context.Context) bool {
	s, p, err := q.status(ctx)
	if err != nil {
		return false
	}
	limit := uint64(lowWater * float64(s.MaxBytes))
	if s.MaxBytes <= 0 { // what is full is not the stream, but the account
		limit = uint64(lowWater * float64(s.Bytes))
	}
	if s.Bytes <= limit && s.MaxBytes > 0 {
		return true // somebody else was faster
	}
	if p.floor < p.first {
		return q.removePassed(ctx, p)
	}
	// Events are of a size, more or less, so their share is near enough.
	share := float64(s.Bytes-limit) / float64(s.Bytes)
	until := p.first + uint64(share*float64(p.last-p.first+1)) + 1
	if until > p.floor+1 {
		q.removePassed(ctx, p)
	}
	if err := q.purge(ctx, min(until, p.floor+1)); err != nil {
		if ctx.Err() == nil {
			q.o.Logf("can't remove delivered events to make room: %v", err)
		}
		return false
	}
	return true
}

// removePassed removes events that were delivered past one that failed. It
// needs the forwarder, which knows which these are.
func (q *Queue) removePassed(ctx context.Context, p position) bool {
	f := q.forwarder.Load()
	if f == nil || f.o.Concurrency == 1 {
		return false
	}
	open := f.tracker.open()
	if e, err := q.entryFrom(ctx, p.floor+1); err == nil {
		open[e.Sequence] = struct{}{} // else the floor would be beyond it
	}
	// A worker that has an event in hand may not have told the tracker yet, and
	// after a restart the tracker does not know what was settled before. But if
	// it knows as many open events as the stream, all others are settled.
	known := 0
	for seq := range open {
		if seq > p.floor && seq <= p.delivered {
			known++
		}
	}
	removed := false
	for seq := p.floor + 1; seq <= p.delivered && ctx.Err() == nil; seq++ {
		if _, ok := open[seq]; ok || known < p.open && !f.tracker.isSettled(seq) {
			continue
		}
		removed = q.events.DeleteMsg(ctx, seq) == nil || removed
	}
	return removed
}

// purge removes all before a sequence.
func (q *Queue) purge(ctx context.Context, before uint64) error {
	return q.events.Purge(ctx, jetstream.WithPurgeSequence(before))
}
