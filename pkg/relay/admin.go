package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrNotFound says that no event of that id is kept.
var ErrNotFound = errors.New("no such event in the queue")

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
}

// serveStatus answers those who ask what the forwarder does.
func (q *Queue) serveStatus(f *Forwarder) (*nats.Subscription, error) {
	return q.nc.Subscribe(q.reportSubject(), func(m *nats.Msg) {
		var o order
		if len(m.Data) > 0 && json.Unmarshal(m.Data, &o) != nil {
			return // not from one of ours
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
	r := report{URL: publicURL(f.o.URL), Concurrency: f.o.Concurrency}
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

func readError(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return ErrNotFound
	case errors.As(err, &api):
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// List returns the events in one state, oldest first. It reads them one by
// one: what comes or goes meanwhile may be missing or be there. Without a
// forwarder, an event that was delivered past one that failed is listed as
// waiting.
func (q *Queue) List(ctx context.Context, state State) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		_, p, err := q.status(ctx)
		if err != nil {
			yield(Entry{}, fmt.Errorf("list the queue: %w", err))
			return
		}
		if state == Dead {
			q.each(ctx, q.dead, 1, "dead", newDeadEntry, yield)
			return
		}
		open := q.unsettled(ctx, p)
		start := uint64(1)
		if state == Waiting {
			start = p.floor + 1
		}
		q.each(ctx, q.events, start, "events", newEntry, func(e Entry, err error) bool {
			e.State = p.stateOf(e.Sequence, open)
			if err == nil && e.State != state {
				return state == Waiting || e.Sequence <= p.delivered
			}
			return yield(e, err)
		})
	}
}

func (p position) stateOf(seq uint64, open map[uint64]struct{}) State {
	if seq <= p.floor {
		return Delivered
	}
	if _, ok := open[seq]; seq <= p.delivered && open != nil && !ok {
		return Delivered
	}
	return Waiting
}

type decode func(subject string, header nats.Header, body []byte, seq uint64, at time.Time) Entry

// each reads a stream from a sequence to its end of now.
func (q *Queue) each(ctx context.Context, stream jetstream.Stream, seq uint64, kind string, decode decode, yield func(Entry, error) bool) {
	for {
		raw, err := stream.GetMsg(ctx, max(seq, 1), jetstream.WithGetMsgSubject(q.subject(kind, "*")))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return
		}
		if err != nil {
			yield(Entry{}, fmt.Errorf("list the queue: %w", readError(err)))
			return
		}
		if !yield(decode(raw.Subject, raw.Header, raw.Data, raw.Sequence, raw.Time), nil) {
			return
		}
		seq = raw.Sequence + 1
	}
}

// Show returns a kept event, whatever its state, with its body: the exact
// bytes that came. The error wraps ErrNotFound where none is kept.
func (q *Queue) Show(ctx context.Context, id string) (Entry, error) {
	e, err := q.show(ctx, key(id))
	if err != nil {
		return Entry{}, fmt.Errorf("event %q: %w", id, err)
	}
	return e, nil
}

func (q *Queue) show(ctx context.Context, id string) (Entry, error) {
	raw, err := q.dead.GetLastMsgForSubject(ctx, q.subject("dead", id))
	if err == nil {
		return newDeadEntry(raw.Subject, raw.Header, raw.Data, raw.Sequence, raw.Time), nil
	}
	if !errors.Is(err, jetstream.ErrMsgNotFound) {
		return Entry{}, readError(err)
	}
	_, p, err := q.status(ctx)
	if err != nil {
		return Entry{}, err
	}
	e, err := q.lookUp(ctx, id)
	if err != nil {
		return Entry{}, err
	}
	e.State = p.stateOf(e.Sequence, q.unsettled(ctx, p))
	return e, nil
}

// lookUp finds an event that is no dead letter.
func (q *Queue) lookUp(ctx context.Context, id string) (Entry, error) {
	if !q.o.single {
		// The question that find asks is answered safely by newer servers
		// alone: others may keep the id.
		return q.scan(ctx, id)
	}
	if seq, err := q.find(ctx, id); err == nil {
		raw, err := q.events.GetMsg(ctx, seq)
		if err == nil {
			return newEntry(raw.Subject, raw.Header, raw.Data, raw.Sequence, raw.Time), nil
		}
		if !errors.Is(err, jetstream.ErrMsgNotFound) {
			return Entry{}, readError(err)
		}
	} else if !errors.Is(err, ErrNotFound) {
		return Entry{}, err
	}
	// Older than the window of duplicates, or put back by hand: read on.
	return q.scan(ctx, id)
}

// scan reads the headers of all kept events for the last one with a key.
func (q *Queue) scan(ctx context.Context, id string) (Entry, error) {
	info, err := q.events.Info(ctx)
	if err != nil {
		return Entry{}, readError(err)
	}
	last, found := info.State.LastSeq, uint64(0)
	if info.State.Msgs == 0 {
		return Entry{}, ErrNotFound
	}
	cons, err := q.events.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{HeadersOnly: true})
	if err != nil {
		return Entry{}, readError(err)
	}
	messages, err := cons.Messages()
	if err != nil {
		return Entry{}, readError(err)
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return Entry{}, readError(err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return Entry{}, readError(err)
		}
		if messageKey(msg.Headers()) == id {
			found = meta.Sequence.Stream
		}
		if meta.Sequence.Stream >= last || meta.NumPending == 0 {
			break
		}
	}
	if found == 0 {
		return Entry{}, ErrNotFound
	}
	return q.entryFrom(ctx, found)
}

// Stored returns the event as it was stored, with its exact bytes, so that it
// can be sent again. The error wraps ErrNotFound where none is kept.
func (q *Queue) Stored(ctx context.Context, id string) (Event, error) {
	e, err := q.Show(ctx, id)
	if err != nil {
		return Event{}, err
	}
	return Event{ID: e.ID, Type: e.Type, Header: e.Header, Body: e.Body}, nil
}

// Retry puts dead letters back, at the end of the line, and makes the next
// attempt of an event that failed at once. It goes on after an event that
// fails, and returns all errors; those of events that are not kept, or were
// delivered already, wrap ErrNotFound.
func (q *Queue) Retry(ctx context.Context, ids ...string) error {
	var failed []error
	for _, id := range ids {
		if err := q.retry(ctx, key(id)); err != nil {
			failed = append(failed, fmt.Errorf("retry event %q: %w", id, err))
		}
	}
	return errors.Join(failed...)
}

func (q *Queue) retry(ctx context.Context, id string) error {
	err := q.revive(ctx, id)
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	e, err := q.show(ctx, id)
	switch {
	case err != nil:
		return err
	case e.State == Delivered:
		return fmt.Errorf("%w: it was delivered already", ErrNotFound)
	}
	q.ask(ctx, order{Hurry: e.Sequence}) // where nobody forwards, it is tried first thing
	return nil
}

// Drop removes events for good: dead letters, or events that wait. One whose
// attempt is under way may still be delivered. It goes on after an event that
// fails, and returns all errors; those of events that are not kept, or were
// delivered already, wrap ErrNotFound.
func (q *Queue) Drop(ctx context.Context, ids ...string) error {
	var failed []error
	for _, id := range ids {
		if err := q.drop(ctx, key(id)); err != nil {
			failed = append(failed, fmt.Errorf("drop event %q: %w", id, err))
		}
	}
	return errors.Join(failed...)
}

func (q *Queue) drop(ctx context.Context, id string) error {
	e, err := q.show(ctx, id)
	switch {
	case err != nil:
		return err
	case e.State == Dead:
		return q.removeDead(ctx, e.Sequence)
	case e.State == Delivered:
		return fmt.Errorf("%w: it was delivered already", ErrNotFound)
	}
	if err := remove(ctx, q.events, e.Sequence); err != nil {
		return err
	}
	q.ask(ctx, order{Settle: e.Sequence})
	return nil
}
