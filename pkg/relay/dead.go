package relay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// deadLetter moves an event to the dead letters. If that fails, the event stays
// in the queue and is retried.
func (f *Forwarder) deadLetter(msg jetstream.Msg, e Entry, status int, why error) {
	if err := f.addDead(msg, e, why); err != nil {
		pause := f.pause(e, target.Result{})
		f.q.o.Logf("event %q cannot become a dead letter, next try in %s: %v", e.ID, pause.Round(time.Millisecond), err)
		f.tracker.fail(msg, e, why, time.Now().Add(pause))
		_ = msg.NakWithDelay(pause) // if it is lost, the event is retried after AckWait
		return
	}
	f.settle(msg, e)
	f.o.Observe(Step{
		Kind: StepDead, Route: f.route.name, ID: e.ID, Type: e.Type, Sequence: e.Sequence,
		Attempt: e.Attempts, Status: status, Err: why,
	})
}

// deadToken returns the subject token of a dead letter. It differs between routes, so
// that each has its own letter of an event.
func deadToken(route, id string) string {
	if route == DefaultRoute {
		return id
	}
	return route + "~" + id // which is in no id or route
}

func (f *Forwarder) addDead(msg jetstream.Msg, e Entry, why error) error {
	q := f.q
	header := maps.Clone(msg.Headers())
	id := messageKey(header)
	if id == "" { // published by another program
		id = hashedPrefix + strconv.FormatUint(e.Sequence, 10)
	}
	stripNats(header)
	header.Set(headerOriginal, id)
	header.Del(headerRoute)
	if f.route.name != DefaultRoute {
		header.Set(headerRoute, f.route.name)
	}
	header.Set(headerType, e.Type)
	header.Set(headerReason, singleLine(why.Error()))
	header.Set(headerAttempts, strconv.Itoa(e.Attempts))
	header.Set(headerStoredAt, e.Stored.UTC().Format(time.RFC3339Nano))
	header.Set(headerSequence, strconv.FormatUint(e.Sequence, 10))
	// Count it before it is stored, so that a concurrent publish of the same event
	// looks it up.
	q.counters.dead.Add(1)
	err := f.route.storeLetter(f.work, &nats.Msg{
		Subject: q.subject("dead", deadToken(f.route.name, id)), Header: header, Data: msg.Data(),
	})
	if err == nil {
		q.counters.died.Add(1)
	}
	return err
}

// stripNats removes the headers that are instructions to the server.
func stripNats(header nats.Header) {
	maps.DeleteFunc(header, func(name string, _ []string) bool { return strings.HasPrefix(name, natsPrefix) })
}

// isDeadLetter reports whether a redelivered event is already a dead letter of the
// route. This happens if the process ended before it acknowledged the event.
func (f *Forwarder) isDeadLetter(msg jetstream.Msg) bool {
	q := f.q
	id := messageKey(msg.Headers())
	if id == "" || (q.o.single && q.counters.dead.Load() == 0) {
		return false
	}
	meta, err := msg.Metadata()
	if err != nil {
		return false
	}
	dead, err := q.letter(f.work, f.route.name, id)
	return err == nil && dead.Header.Get(headerSequence) == strconv.FormatUint(meta.Sequence.Stream, 10)
}

// singleLine makes a text a valid header value of at most 1 KiB.
func singleLine(text string) string {
	const limit = 1024
	b := []byte(text)
	if len(b) > limit {
		b = b[:limit]
	}
	for i, c := range b {
		if c < ' ' || c == 0x7f {
			b[i] = ' '
		}
	}
	return string(b)
}

func newDeadEntry(subject string, header nats.Header, body []byte, seq uint64, at time.Time) Entry {
	e := newEntry(subject, header, body, seq, at)
	e.State, e.Died, e.Route = Dead, at, orElse(header.Get(headerRoute), DefaultRoute)
	e.Reason = header.Get(headerReason)
	e.Attempts, _ = strconv.Atoi(header.Get(headerAttempts)) // 0 means unknown
	if stored, err := time.Parse(time.RFC3339Nano, header.Get(headerStoredAt)); err == nil {
		e.Stored = stored
	}
	return e
}

// letter returns the dead letter of an event for a route. The error is
// jetstream.ErrMsgNotFound if there is none.
func (q *Queue) letter(ctx context.Context, route, id string) (*jetstream.RawStreamMsg, error) {
	return q.dead.GetLastMsgForSubject(ctx, q.subject("dead", deadToken(route, id)))
}

// lettersOf returns all dead letters of an event, at most one for each of the given
// routes.
func (q *Queue) lettersOf(ctx context.Context, routes []string, id string) (letters []*jetstream.RawStreamMsg, err error) {
	for _, route := range routes {
		raw, err := q.letter(ctx, route, id)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return nil, readError(err)
		}
		letters = append(letters, raw)
	}
	return letters, nil
}

// requeue puts a dead letter at the end of the queue, for its route only.
func (q *Queue) requeue(ctx context.Context, raw *jetstream.RawStreamMsg, id string) error {
	header := maps.Clone(raw.Header)
	route := orElse(header.Get(headerRoute), DefaultRoute)
	if q.route(route) == nil {
		return fmt.Errorf("%w: no target has the route %s", ErrNoRoute, route)
	}
	if len(q.routes()) > 1 {
		header.Set(headerRoute, route)
	}
	typ := typeToken(header.Get(headerType))
	for _, name := range []string{headerType, headerReason, headerAttempts, headerStoredAt, headerSequence} {
		header.Del(name)
	}
	stripNats(header) // a direct get adds some
	// Its own id would make it a duplicate. This one is the same for every retry
	// of this letter, so that an interrupted retry can be repeated.
	header.Set(nats.MsgIdHdr, retryID(id, raw))
	header.Set(headerOriginal, id)
	msg := &nats.Msg{Subject: q.subject("events", typ), Header: header, Data: raw.Data}
	ack, err := q.sendSettled(ctx, msg)
	if err == nil && ack.Duplicate {
		// An earlier retry stored it, but that copy may have been dropped since.
		if _, err = q.events.GetMsg(ctx, ack.Sequence); errors.Is(err, jetstream.ErrMsgNotFound) {
			header.Set(nats.MsgIdHdr, retryID(id, raw)+"/"+rand.Text())
			_, err = q.sendSettled(ctx, msg)
		}
	}
	if err != nil {
		return err
	}
	return q.removeDead(ctx, raw.Sequence)
}

// retryID returns the message id for a retry of a dead letter. It includes the time,
// because a stream that was deleted and created again reuses its sequences.
func retryID(id string, letter *jetstream.RawStreamMsg) string {
	return fmt.Sprintf("%s/retry/%d-%d", id, letter.Sequence, letter.Time.UnixNano())
}

// removeDead removes a dead letter. It may be gone already: if the event became
// a dead letter again, the new one has replaced it.
func (q *Queue) removeDead(ctx context.Context, seq uint64) error {
	return remove(ctx, q.dead, seq)
}

// remove deletes a message, and returns nil if there is none. Servers return different
// errors for a missing message, so it sends a second request to be sure.
func remove(ctx context.Context, stream jetstream.Stream, seq uint64) error {
	err := stream.DeleteMsg(ctx, seq)
	if err == nil {
		return nil
	}
	if _, missing := stream.GetMsg(ctx, seq); errors.Is(missing, jetstream.ErrMsgNotFound) {
		return nil
	}
	return readError(err)
}
