package relay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
)

// ErrNotFound reports that the queue has no event with the given id.
var ErrNotFound = errors.New("no such event in the queue")

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

// List returns the events in one state, oldest first. It reads them one at a time,
// so changes made meanwhile may or may not be included. If no forwarder is running,
// events that were delivered while an earlier one was failing are listed as waiting.
func (q *Queue) List(ctx context.Context, state State) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		_, p, err := q.status(ctx)
		if err != nil {
			yield(Entry{}, fmt.Errorf("list the queue: %w", err))
			return
		}
		if state == Dead {
			q.entries(ctx, q.dead, 1, "dead", newDeadEntry, yield)
			return
		}
		open, delivered := q.unsettled(ctx, p), uint64(0)
		for _, r := range p.routes {
			delivered = max(delivered, r.delivered)
		}
		start := uint64(1)
		if state == Waiting {
			start = p.floor + 1
		}
		q.entries(ctx, q.events, start, "events", newEntry, func(e Entry, err error) bool {
			e.State = p.stateOf(e.Sequence, open)
			if err == nil && e.State != state {
				return state == Waiting || e.Sequence <= delivered
			}
			return yield(e, err)
		})
	}
}

// stateOf returns the state of an event. open is the result of unsettled.
func (p position) stateOf(seq uint64, open map[string]map[uint64]struct{}) State {
	for _, r := range p.routes {
		if !r.settled(seq, open[r.route.name]) {
			return Waiting
		}
	}
	return Delivered
}

type decode func(subject string, header nats.Header, body []byte, seq uint64, at time.Time) Entry

// entries yields the entries of a stream, from a sequence to the current end.
func (q *Queue) entries(ctx context.Context, stream jetstream.Stream, seq uint64, kind string, decode decode, yield func(Entry, error) bool) {
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

// latestReach is how many sequences Latest searches.
const latestReach = 1000

// Latest returns the most recently stored event for which match returns true. It
// searches only the last 1000 sequences and returns ErrNotFound if none matches.
func (q *Queue) Latest(ctx context.Context, match func(Entry) bool) (Entry, error) {
	info, err := q.events.Info(ctx)
	if err != nil {
		return Entry{}, readError(err)
	}
	for seq := info.State.LastSeq; seq > 0 && seq >= info.State.FirstSeq && seq+latestReach > info.State.LastSeq; seq-- {
		raw, err := q.events.GetMsg(ctx, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return Entry{}, readError(err)
		}
		if e := newEntry(raw.Subject, raw.Header, raw.Data, raw.Sequence, raw.Time); match(e) {
			return e, nil
		}
	}
	return Entry{}, ErrNotFound
}

// Show returns the event with the given id, in any state, with its exact bytes. An event
// that is a dead letter of any route is in state Dead.
// The error wraps ErrNotFound if there is none.
func (q *Queue) Show(ctx context.Context, id string) (Entry, error) {
	e, err := q.show(ctx, key(id))
	if err != nil {
		return Entry{}, fmt.Errorf("event %q: %w", id, err)
	}
	return e, nil
}

func (q *Queue) show(ctx context.Context, id string) (Entry, error) {
	letters, err := q.lettersOf(ctx, q.letterRoutes(), id)
	if err != nil {
		return Entry{}, err
	}
	if len(letters) > 0 {
		raw := letters[0]
		return newDeadEntry(raw.Subject, raw.Header, raw.Data, raw.Sequence, raw.Time), nil
	}
	return q.showLive(ctx, id)
}

// showLive returns the waiting or delivered event with a key.
func (q *Queue) showLive(ctx context.Context, id string) (Entry, error) {
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

// lookUp returns the last waiting or delivered event with a key. It reads the headers
// of every event in the stream.
func (q *Queue) lookUp(ctx context.Context, id string) (Entry, error) {
	found := uint64(0)
	err := q.eachKey(ctx, func(key string, seq uint64) {
		if key == id {
			found = seq
		}
	})
	switch {
	case err != nil:
		return Entry{}, err
	case found == 0:
		return Entry{}, ErrNotFound
	}
	return q.entryFrom(ctx, found)
}

// eachKey calls visit with the key and the sequence of every waiting or delivered event.
// It reads only headers.
func (q *Queue) eachKey(ctx context.Context, visit func(key string, seq uint64)) error {
	info, err := q.events.Info(ctx)
	if err != nil {
		return readError(err)
	}
	if info.State.Msgs == 0 {
		return nil
	}
	cons, err := q.events.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{HeadersOnly: true})
	if err != nil {
		return readError(err)
	}
	messages, err := cons.Messages()
	if err != nil {
		return readError(err)
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return readError(err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return readError(err)
		}
		visit(messageKey(msg.Headers()), meta.Sequence.Stream)
		if meta.Sequence.Stream >= info.State.LastSeq || meta.NumPending == 0 {
			return nil
		}
	}
}

// maxMatches is how many ids an error about an ambiguous prefix lists.
const maxMatches = 5

// ID returns the id of the event that a unique prefix stands for, in any state. A
// complete id, and a text with which no id begins, is returned unchanged. If several
// events match, the error is a fault of kind Usage. It reads the queue only if the
// text is not a UUID.
func (q *Queue) ID(ctx context.Context, prefix string) (string, error) {
	if uuid.Validate(prefix) == nil {
		return prefix, nil
	}
	var found []string
	exact := false
	visit := func(id string) {
		exact = exact || id == prefix || id == key(prefix)
		if strings.HasPrefix(id, prefix) && !slices.Contains(found, id) && len(found) < maxMatches {
			found = append(found, id)
		}
	}
	var err error
	q.entries(ctx, q.dead, 1, "dead", newDeadEntry, func(e Entry, failed error) bool {
		if err = failed; err == nil {
			visit(e.ID)
		}
		return err == nil
	})
	if err == nil {
		err = q.eachKey(ctx, func(key string, _ uint64) { visit(key) })
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("event %q: %w", prefix, err)
	case exact || len(found) == 0:
		return prefix, nil
	case len(found) > 1:
		return "", fault.WithHint(fault.Usagef("more than one event's id begins with %q", prefix), "pass a longer prefix of %s", strings.Join(found, ", "))
	}
	return found[0], nil
}

// Stored returns the event with the given id as it was stored, so that it can be
// sent again. The error wraps ErrNotFound if there is none.
func (q *Queue) Stored(ctx context.Context, id string) (Event, error) {
	e, err := q.Show(ctx, id)
	if err != nil {
		return Event{}, err
	}
	return Event{ID: e.ID, Type: e.Type, Header: e.Header, Body: e.Body}, nil
}
