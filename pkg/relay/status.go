package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
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
}

// reportTimeout is how long a forwarder is waited for.
const reportTimeout = time.Second

func (q *Queue) reportSubject() string { return q.o.Prefix + ".relay." + q.streamName("EVENTS") }

// order is what a forwarder is asked to do with an event that is between
// attempts, by its sequence. None is a question for its state.
type order struct {
	Settle uint64 `json:"settle,omitempty"` // it was dropped: go on with the next
	Hurry  uint64 `json:"hurry,omitempty"`  // make the next attempt now
}

// serveStatus answers those who ask what the forwarder does.
func (q *Queue) serveStatus(f *Forwarder) (*nats.Subscription, error) {
	return q.nc.Subscribe(q.reportSubject(), func(m *nats.Msg) {
		var o order
		if len(m.Data) > 0 && json.Unmarshal(m.Data, &o) != nil {
			return // not from one of ours
		}
		f.obey(o)
		raw, err := json.Marshal(f.report())
		if err == nil {
			_ = m.Respond(raw) // who asked has gone
		}
	})
}

// obey goes around the client, which answers a message once: these were given
// back with a pause.
func (f *Forwarder) obey(o order) {
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
	r := report{URL: f.target.String()}
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

// quiet is how long to wait for another answer after the last one.
const quiet = 200 * time.Millisecond

// ask sends an order to all forwarders of the queue and returns their reports.
// A forwarder obeys if it has the event.
func (q *Queue) ask(ctx context.Context, o order) (reports []report) {
	raw, err := json.Marshal(o)
	if err != nil {
		return nil
	}
	inbox := q.nc.NewInbox()
	answers, err := q.nc.SubscribeSync(inbox)
	if err != nil {
		return nil
	}
	defer func() { _ = answers.Unsubscribe() }() // fails only without a connection
	if q.nc.PublishRequest(q.reportSubject(), inbox, raw) != nil {
		return nil
	}
	for limit := reportTimeout; ; limit = quiet {
		limited, cancel := context.WithTimeout(ctx, limit)
		m, err := answers.NextMsgWithContext(limited)
		cancel()
		if err != nil {
			return reports
		}
		var r report
		if json.Unmarshal(m.Data, &r) == nil {
			reports = append(reports, r)
		}
		if q.o.single {
			return reports
		}
	}
}

// add merges the forwarders' reports into the status. A report may still name
// events up to floor as failed, although another forwarder settled them.
func (s *Status) add(reports []report, floor uint64) {
	s.Forwarding, s.Forwarders = len(reports) > 0, len(reports)
	var urls []string
	for _, r := range reports {
		s.InFlight += r.InFlight
		if !slices.Contains(urls, r.URL) {
			urls = append(urls, r.URL)
		}
		b := r.Blocked
		if b == nil || b.Sequence <= floor {
			continue
		}
		if s.Blocked == nil || b.Sequence < s.Blocked.Sequence ||
			(b.Sequence == s.Blocked.Sequence && b.Attempts > s.Blocked.Attempts) {
			s.Blocked = b
		}
	}
	s.URL = strings.Join(urls, ", ")
}

// unsettled returns the events that forwarders have taken and not settled. It
// is nil if that is unknown: no forwarder answered, or not all of those that
// have events.
func (q *Queue) unsettled(ctx context.Context, p position) map[uint64]struct{} {
	reports := q.ask(ctx, order{})
	if len(reports) == 0 {
		return nil
	}
	open := map[uint64]struct{}{}
	for _, r := range reports {
		for _, seq := range r.Open {
			if seq > p.floor {
				open[seq] = struct{}{}
			}
		}
	}
	if len(open) < p.open {
		cons, err := q.consumerInfo(ctx)
		if err != nil || len(open) < cons.NumAckPending {
			return nil
		}
	}
	return open
}

// position is how far forwarding is in the stream.
type position struct {
	first, last      uint64 // what the stream keeps
	messages         uint64 // how many of these there are
	floor, delivered uint64 // all up to floor are settled; beyond delivered none was taken
	open             int    // of those in between, how many are not settled
}

func (q *Queue) status(ctx context.Context) (Status, position, error) {
	cons, err := q.consumerInfo(ctx)
	if err != nil {
		return Status{}, position{}, readError(err)
	}
	stream, err := q.events.Info(ctx) // after the consumer: it can only have grown
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
		first: stream.State.FirstSeq, last: stream.State.LastSeq, messages: stream.State.Msgs,
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
