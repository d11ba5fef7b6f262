package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Status is what a queue holds at a moment.
type Status struct {
	Waiting  uint64   `json:"waiting"`   // stored, and not yet taken; those in flight included
	InFlight int      `json:"in_flight"` // attempts under way
	Dead     uint64   `json:"dead"`
	Kept     uint64   `json:"kept"`      // delivered, and kept against repeats
	Bytes    uint64   `json:"bytes"`     // what waiting and kept events take
	MaxBytes int64    `json:"max_bytes"` // what they may take
	Oldest   *Entry   `json:"oldest"`    // the one that waits longest, without its body; nil where none waits
	Blocked  *Blocked `json:"blocked"`   // the first that failed; nil where none did
	// Forwarding says whether a forwarder answered. Without one, InFlight
	// and Blocked are not known.
	Forwarding bool   `json:"forwarding"`
	Forwarders int    `json:"forwarders"`    // how many; several share a cluster's stream
	URL        string `json:"url,omitempty"` // where to, without password and query
}

// report is what a forwarder says of itself to whoever asks on the connection.
type report struct {
	InFlight int      `json:"in_flight"`
	Blocked  *Blocked `json:"blocked"`
	URL      string   `json:"url"`
	Open     []uint64 `json:"open"` // taken and not settled
	// Concurrency is what it was told; 1 keeps the order.
	Concurrency int `json:"concurrency"`
}

// reportTimeout is how long a forwarder is waited for.
const reportTimeout = time.Second

func (q *Queue) reportSubject() string { return q.o.Prefix + ".relay." + q.streamName("EVENTS") }

// order is what a forwarder is asked to do with an event that is between
// attempts, by its sequence. None is a question for its state.
type order struct {
	Settle uint64 `json:"settle,omitempty"` // it was dropped: go on with the next
	Hurry  uint64 `json:"hurry,omitempty"`  // make the next attempt now
	// Settled is no order but a note, which nobody answers: another listener
	// settled an event that may have failed here before.
	Settled uint64 `json:"settled,omitempty"`
	// Claim is a question that only who had the event answers.
	Claim *claim `json:"claim,omitempty"`
}

// serveStatus answers those who ask what the forwarder does.
func (q *Queue) serveStatus(f *Forwarder) (*nats.Subscription, error) {
	return q.nc.Subscribe(q.reportSubject(), func(m *nats.Msg) {
		var o order
		if len(m.Data) > 0 && json.Unmarshal(m.Data, &o) != nil {
			return // not from one of ours
		}
		if o.Claim != nil {
			f.hear(m, *o.Claim)
			return
		}
		f.obey(o)
		if m.Reply == "" {
			return
		}
		raw, err := json.Marshal(f.report())
		if err == nil {
			_ = m.Respond(raw) // who asked has gone
		}
	})
}

// obey goes around the client, which answers a message once: these were given
// back with a pause.
func (f *Forwarder) obey(o order) {
	f.tracker.elsewhere(o.Settled)
	if b, ok := f.tracker.pausing(o.Settle); ok {
		f.tracker.settle(o.Settle, b.stored)
		_ = f.q.nc.Publish(b.msg.Reply(), []byte("+ACK")) // where it is lost, it comes again, and the tracker knows it
	}
	// Once its pause is over, another listener may have it in hand: it would
	// be given to a third.
	if b, ok := f.tracker.pausing(o.Hurry); ok && time.Now().Before(b.Next) {
		_ = f.q.nc.Publish(b.msg.Reply(), []byte("-NAK")) // without it, the pause ends in its own time
	}
}

func (f *Forwarder) report() report {
	r := report{URL: f.target.String(), Concurrency: f.o.Concurrency}
	r.InFlight, r.Blocked = f.tracker.state()
	for seq := range f.tracker.open() {
		r.Open = append(r.Open, seq)
	}
	return r
}

// Status asks the store, and the forwarder if there is one.
func (q *Queue) Status(ctx context.Context) (Status, error) {
	s, p, err := q.status(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("ask for the queue's state: %w", err)
	}
	s.add(q.ask(ctx, order{}), p.floor)
	return s, nil
}

// position is how far forwarding is in the stream.
type position struct {
	first, last      uint64 // what the stream keeps
	floor, delivered uint64 // all up to floor are settled; beyond delivered none was taken
	open             int    // of those in between, how many are not settled
}

func (q *Queue) status(ctx context.Context) (Status, position, error) {
	stream, err := q.events.Info(ctx)
	if err != nil {
		return Status{}, position{}, readError(err)
	}
	cons, err := q.cons.Info(ctx)
	if err != nil {
		return Status{}, position{}, readError(err)
	}
	dead, err := q.dead.Info(ctx)
	if err != nil {
		return Status{}, position{}, readError(err)
	}
	s := Status{
		Waiting: cons.NumPending + uint64(cons.NumAckPending), Dead: dead.State.Msgs,
		Bytes: stream.State.Bytes, MaxBytes: stream.Config.MaxBytes,
	}
	if stream.State.Msgs > s.Waiting {
		s.Kept = stream.State.Msgs - s.Waiting
	}
	p := position{
		first: stream.State.FirstSeq, last: stream.State.LastSeq,
		floor: cons.AckFloor.Stream, delivered: cons.Delivered.Stream,
		open: cons.NumAckPending,
	}
	if s.Waiting > 0 {
		if e, err := q.entryFrom(ctx, p.floor+1); err == nil {
			e.Body, e.State = nil, Waiting
			s.Oldest = &e
		}
	}
	return s, p, nil
}

// entryFrom returns the first event at or after a sequence.
func (q *Queue) entryFrom(ctx context.Context, seq uint64) (Entry, error) {
	raw, err := q.events.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(q.subject("events", "*")))
	if err != nil {
		return Entry{}, readError(err)
	}
	return newEntry(raw.Subject, raw.Header, raw.Data, raw.Sequence, raw.Time), nil
}
