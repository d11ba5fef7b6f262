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
	made := false
	if p.floor >= p.first {
		// Events are of a size, more or less, so their share is near enough.
		share := float64(s.Bytes-limit) / float64(s.Bytes)
		until := p.first + uint64(share*float64(p.last-p.first+1)) + 1
		if err := q.purge(ctx, min(until, p.floor+1)); err != nil {
			if ctx.Err() == nil {
				q.o.Logf("delivered events cannot be removed to make room: %v", err)
			}
			return false
		}
		if until <= p.floor+1 {
			return true
		}
		made = true
		if s, p, err = q.status(ctx); err != nil {
			return made
		}
	}
	return q.removePassed(ctx, p, over(s.Bytes, limit)) || made
}

// removePassed removes events that were delivered while an earlier one keeps
// failing, until about that many bytes are free. If several are open, only
// this process's forwarder knows which.
func (q *Queue) removePassed(ctx context.Context, p position, bytes uint64) bool {
	if p.messages == 0 {
		return false
	}
	delivered := q.passed(p)
	removed := false
	for size := bytes/p.messages + 1; bytes > 0 && ctx.Err() == nil; bytes = over(bytes, size) {
		seq, ok := delivered()
		if !ok {
			break
		}
		q.ledger.remove()
		removed = q.events.DeleteMsg(ctx, seq) == nil || removed
	}
	return removed
}

// passed returns a function that yields the delivered events beyond the first
// one that failed, those that were passed over by earlier calls first.
func (q *Queue) passed(p position) func() (uint64, bool) {
	t := new(tracker)
	if f := q.forwarder.Load(); f != nil {
		t = &f.tracker
	}
	open := t.open()
	handed := 0
	for seq := range open {
		if seq <= p.delivered {
			handed++
		}
	}
	// Without any other listener, each event that was open when the server
	// counted is still open or settled since. If as many are open, all others
	// are settled; else only those that the tracker knows. The first one after
	// the floor is open in any case.
	all := q.o.single && (handed >= p.open || p.open == 1)
	open[p.floor+1] = struct{}{}
	again, next := q.skipped, max(q.reached, p.floor)+1
	q.skipped = nil
	if next > p.delivered+1 { // a stream that was created again
		next = p.floor + 1
	}
	return func() (uint64, bool) {
		for {
			var seq uint64
			switch {
			case len(again) > 0:
				seq, again = again[0], again[1:]
			case next <= p.delivered:
				seq, next = next, next+1
				q.reached = seq
			default:
				return 0, false
			}
			_, isOpen := open[seq]
			switch {
			case seq <= p.floor:
			case isOpen || !(all || t.isSettled(seq)):
				q.skipped = append(q.skipped, seq)
			default:
				return seq, true
			}
		}
	}
}

// purge removes all before a sequence.
func (q *Queue) purge(ctx context.Context, before uint64) error {
	return q.events.Purge(ctx, jetstream.WithPurgeSequence(before))
}
