package relay

import (
	"context"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A cluster hands an event out again when it did not hear of it for AckWait.
// Then who had it died, or lives, but the cluster had no leader to listen for
// as long. So the other listeners are asked before it is forwarded again.

// claimWait is how long none of them has to answer until none has the event.
const claimWait = 500 * time.Millisecond

// claim is one listener's question for what another knows of an event.
type claim struct {
	By       string    `json:"by"` // who asks hears it too
	Sequence uint64    `json:"sequence"`
	Stored   time.Time `json:"stored"`
	Attempt  int       `json:"attempt"` // the one that is to be made
}

// answer is what a listener knows that had the event.
type answer struct {
	Knows tracked `json:"knows"`
}

// doneElsewhere reports whether an event that is handed out again needs no
// attempt here, and settles it, or gives it back.
func (f *Forwarder) doneElsewhere(msg jetstream.Msg, e Entry) bool {
	switch f.claim(e) {
	case settled:
		f.settle(msg, e)
		return true
	case underWay:
		f.tracker.release(e.Sequence)
		_ = msg.NakWithDelay(f.q.o.AckWait / 2) // without it, AckWait does the same
		return true
	}
	if f.q.diedBefore(f.work, msg) {
		f.settle(msg, e)
		return true
	}
	return false
}

// claim asks the other listeners for an event. It is fresh where none has it.
func (f *Forwarder) claim(e Entry) tracked {
	if f.q.o.single || f.tracker.failedAt(e.Sequence, e.Attempts-1) {
		return fresh
	}
	raw, err := json.Marshal(order{Claim: &claim{By: f.name, Sequence: e.Sequence, Stored: e.Stored, Attempt: e.Attempts}})
	if err != nil {
		return fresh
	}
	ctx, cancel := context.WithTimeout(f.work, claimWait)
	defer cancel()
	m, err := f.q.nc.RequestWithContext(ctx, f.q.reportSubject(), raw)
	var a answer
	if err != nil || json.Unmarshal(m.Data, &a) != nil {
		return fresh
	}
	return a.Knows
}

// hear answers another listener's claim, if the event was here. That the
// attempt before failed here is answered too, so that it goes on at once.
func (f *Forwarder) hear(m *nats.Msg, c claim) {
	if c.By == f.name {
		return
	}
	a := answer{Knows: f.tracker.look(c.Sequence, c.Stored)}
	if a.Knows == fresh && !f.tracker.failedAt(c.Sequence, c.Attempt-1) {
		return
	}
	if raw, err := json.Marshal(a); err == nil {
		_ = m.Respond(raw) // who asked has gone
	}
}
