package relay

import (
	"maps"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/ring"
)

// Blocked is an event that failed, and waits for its next attempt. With a
// concurrency of 1 all others wait behind it.
type Blocked struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Sequence uint64    `json:"sequence"`
	Attempts int       `json:"attempts"`
	Reason   string    `json:"reason"`
	Since    time.Time `json:"since"` // the first failure that this process saw
	Next     time.Time `json:"next"`  // the next attempt

	msg    jetstream.Msg
	stored time.Time
}

// tracker knows what this process does with which event, so that one that
// the store hands out a second time, because it heard too late of the first,
// is not forwarded a second time.
type tracker struct {
	mu     sync.Mutex
	busy   map[uint64]struct{}
	failed map[uint64]Blocked
	// recent are the events that were settled last, with the time they were
	// stored at: a stream that was created again, or lost its end, gives out
	// its sequences again.
	recent *ring.Map[uint64, time.Time]
}

// remembered is how many settled events the tracker knows. Those that the
// store may hand out again are as many as can be unacknowledged.
const remembered = 4096

type tracked int

const (
	fresh    tracked = iota // nobody has it: the caller does now
	underWay                // somebody has it
	settled                 // it is done
)

// begin gives an event to the caller, unless somebody has it or had it.
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
		return underWay
	}
	if at, ok := t.recent.Get(seq); ok && at.Equal(stored) {
		return settled
	}
	return fresh
}

// release gives an event back that was not settled.
func (t *tracker) release(seq uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.busy, seq)
}

// settle notes that an event is done with.
func (t *tracker) settle(seq uint64, stored time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.busy, seq)
	delete(t.failed, seq)
	t.recent.Put(seq, stored)
}

// fail notes that an event has to wait for its next attempt.
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

// state returns how many attempts are under way, and the first event in
// stored order that failed, if any did.
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

// open returns the events that were taken and are not settled.
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

// isSettled reports whether an event is known to be done with.
func (t *tracker) isSettled(seq uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.recent == nil { // it has not begun
		return false
	}
	_, ok := t.recent.Get(seq)
	return ok
}

// pausing returns an event that waits for its next attempt.
func (t *tracker) pausing(seq uint64) (Blocked, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, ok := t.failed[seq]
	if _, busy := t.busy[seq]; busy {
		return Blocked{}, false
	}
	return b, ok
}

// passed forgets the events that failed here and were settled since, whoever
// did that: all up to floor were.
func (t *tracker) passed(floor uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.failed, func(seq uint64, _ Blocked) bool { return seq <= floor })
}
