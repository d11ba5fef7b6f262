package relay

import (
	"maps"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/ring"
)

// Blocked is a failed event that waits for its next attempt. With a concurrency
// of 1, all others wait for it.
type Blocked struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Sequence uint64    `json:"sequence"`
	Attempts int       `json:"attempts"`
	Reason   string    `json:"reason"`
	Since    time.Time `json:"since"` // first failure in this process
	Next     time.Time `json:"next"`  // time of the next attempt

	msg    jetstream.Msg
	stored time.Time
}

// tracker remembers the state of this process's events, so that an event is not
// forwarded twice if the consumer delivers it again because of a late acknowledgement.
// It is safe for concurrent use.
type tracker struct {
	mu     sync.Mutex
	busy   map[uint64]struct{}
	failed map[uint64]Blocked
	// recent maps the most recently settled events to the time they were stored.
	// The time is needed because a stream that was recreated, or lost its last
	// events, reuses sequences.
	recent *ring.Map[uint64, time.Time]
}

// remembered is how many settled events the tracker knows. It must exceed the
// number of unacknowledged events that the consumer may deliver again.
const remembered = 4096

type tracked int

const (
	fresh      tracked = iota // unknown: the caller now has it
	inProgress                // a worker has it
	settled                   // done
)

// begin assigns an event to the caller if it is fresh.
func (t *tracker) begin(seq uint64, stored time.Time) tracked {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known := t.known(seq, stored); known != fresh {
		return known
	}
	if t.busy == nil {
		t.busy, t.failed, t.recent = map[uint64]struct{}{}, map[uint64]Blocked{}, ring.New[uint64, time.Time](remembered)
	}
	t.busy[seq] = struct{}{}
	return fresh
}

func (t *tracker) known(seq uint64, stored time.Time) tracked {
	if _, ok := t.busy[seq]; ok {
		return inProgress
	}
	if at, ok := t.recent.Get(seq); ok && at.Equal(stored) {
		return settled
	}
	return fresh
}

// release ends an aborted attempt.
func (t *tracker) release(seq uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.busy, seq)
}

// settle records that an event is done.
func (t *tracker) settle(seq uint64, stored time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.busy, seq)
	delete(t.failed, seq)
	t.recent.Put(seq, stored)
}

// fail records that an event waits for its next attempt.
func (t *tracker) fail(msg jetstream.Msg, e Entry, why error, next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.busy, e.Sequence)
	b, ok := t.failed[e.Sequence]
	if !ok {
		b.Since = time.Now()
	}
	b.ID, b.Type, b.Sequence = e.ID, e.Type, e.Sequence
	b.msg, b.stored, b.Attempts, b.Reason, b.Next = msg, e.Stored, e.Attempts, why.Error(), next
	t.failed[e.Sequence] = b
}

// state returns the number of attempts in progress and the failed event that was
// stored first, or nil.
func (t *tracker) state() (busy int, blocked *Blocked) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range t.failed {
		if blocked == nil || b.Sequence < blocked.Sequence {
			blocked = &b
		}
	}
	return len(t.busy), blocked
}

// open returns the events that are in progress or have failed.
func (t *tracker) open() map[uint64]struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	open := make(map[uint64]struct{}, len(t.busy)+len(t.failed))
	for seq := range t.busy {
		open[seq] = struct{}{}
	}
	for seq := range t.failed {
		open[seq] = struct{}{}
	}
	return open
}

// isSettled reports whether an event is known to be settled.
func (t *tracker) isSettled(seq uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.recent == nil { // begin was never called
		return false
	}
	_, ok := t.recent.Get(seq)
	return ok
}

// pausing returns an event if it waits for its next attempt.
func (t *tracker) pausing(seq uint64) (Blocked, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, ok := t.failed[seq]
	if _, busy := t.busy[seq]; busy {
		return Blocked{}, false
	}
	return b, ok
}

// passed forgets failed events up to floor, because this process or another listener
// has settled them.
func (t *tracker) passed(floor uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.failed, func(seq uint64, _ Blocked) bool { return seq <= floor })
}
