package relay

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Outcome is what became of an event that was to be stored.
type Outcome string

// The outcomes. The first two are a promise: answer with success. The others
// come with an error: answer with 503.
const (
	Stored      Outcome = "stored"      // the stream has it
	Duplicate   Outcome = "duplicate"   // the stream had it, and keeps it
	Full        Outcome = "full"        // there is no room for it; ErrFull
	Unavailable Outcome = "unavailable" // the store can't be reached, or did not answer in time; ErrUnavailable
)

// What keeps events out.
var (
	ErrFull        = errors.New("the queue is full")
	ErrUnavailable = errors.New("the queue is not available")
	ErrTooLarge    = errors.New("the event is too large for the queue")
)

// errNoAnswer is why a publish ends after AckTimeout.
var errNoAnswer = errors.New("it was not acknowledged in time")

// errNoID is for a caller that did not check what it was sent.
var errNoID = errors.New("the event has no id")

// Publish stores an event, and returns once the stream has it: in the file,
// or with StoreOptions.Sync on the disk. Many calls at once share the way to
// the store. An Unavailable event may have been stored nevertheless, and is
// then forwarded like any other: its header and body must not change later.
func (q *Queue) Publish(ctx context.Context, e Event) (Outcome, error) {
	outcome, err := q.publish(ctx, e)
	q.counters.published(outcome)
	return outcome, err
}

func (q *Queue) publish(ctx context.Context, e Event) (Outcome, error) {
	if e.ID == "" {
		return Unavailable, fmt.Errorf("store an event: %w", errNoID)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, q.o.AckTimeout, errNoAnswer)
	defer cancel()
	outcome, err := within(ctx, func() (Outcome, error) { return q.publishNow(ctx, e) })
	if outcome == "" {
		outcome, err = Unavailable, fmt.Errorf("store event %q: %w", e.ID, err)
	}
	if q.heard != nil {
		q.heard(err)
	}
	return outcome, err
}

// publishNow is publish, but may wait longer than ctx.
func (q *Queue) publishNow(ctx context.Context, e Event) (Outcome, error) {
	if err := q.refuse(); err != nil {
		return outcomeOf(err), fmt.Errorf("store event %q: %w", e.ID, err)
	}
	outcome, err := q.store(ctx, e)
	if err != nil {
		return outcomeOf(err), fmt.Errorf("store event %q: %w", e.ID, err)
	}
	return outcome, nil
}

// Ready reports whether the queue can store events, as far as that shows
// without storing one. An error wraps ErrUnavailable or ErrFull.
func (q *Queue) Ready(ctx context.Context) error {
	if err := q.refuse(); err != nil {
		return err
	}
	_, err := within(ctx, func() (*jetstream.StreamInfo, error) { return q.events.Info(ctx) })
	return readError(err)
}

func outcomeOf(err error) Outcome {
	if errors.Is(err, ErrFull) {
		return Full
	}
	return Unavailable
}

func (q *Queue) store(ctx context.Context, e Event) (Outcome, error) {
	id := key(e.ID)
	if q.counters.dead.Load() > 0 {
		// The stream may have forgotten what died long ago.
		if _, err := q.dead.GetLastMsgForSubject(ctx, q.subject("dead", id)); err == nil {
			return Duplicate, nil
		} else if !errors.Is(err, jetstream.ErrMsgNotFound) {
			return "", fmt.Errorf("%w: look for it among the dead letters: %w", ErrUnavailable, err)
		}
	}
	msg := &nats.Msg{Subject: q.subject("events", typeToken(e.Type)), Header: storedHeader(e.Header), Data: e.Body}
	msg.Header.Set(nats.MsgIdHdr, id)
	ack, err := q.sendSettled(ctx, msg)
	if errors.Is(err, ErrFull) && q.makeRoom(ctx) {
		ack, err = q.sendSettled(ctx, msg)
	}
	switch {
	case err != nil:
		return "", err
	case ack.Duplicate:
		return Duplicate, nil
	}
	q.ledger.acknowledged(ack.Sequence)
	return Stored, nil
}

// errBeingStored is about a repeat whose first copy the cluster has yet to
// agree on: it may still come to nothing, so the repeat can't be acknowledged.
var errBeingStored = errors.New("its first copy is still being stored")

// againPause is how long such a repeat waits before it asks anew.
const againPause = 25 * time.Millisecond

// sendSettled is send, but for a repeat waits until its first copy is stored.
func (q *Queue) sendSettled(ctx context.Context, msg *nats.Msg) (*jetstream.PubAck, error) {
	for {
		ack, err := q.send(ctx, msg)
		switch {
		case errors.Is(err, errBeingStored):
		case err == nil && ack.Duplicate && ack.Sequence == 0: // as servers before 2.10 say it
			err = fmt.Errorf("%w: %w", ErrUnavailable, errBeingStored)
		default:
			return ack, err
		}
		select {
		case <-time.After(againPause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// send publishes one message, and waits for its acknowledgement.
func (q *Queue) send(ctx context.Context, msg *nats.Msg) (*jetstream.PubAck, error) {
	future, err := q.js.PublishMsgAsync(msg, jetstream.WithStallWait(min(stallWait, q.o.AckTimeout/4)))
	if err != nil {
		return nil, publishError(err)
	}
	select {
	case ack := <-future.Ok():
		return ack, nil
	case err := <-future.Err():
		return nil, publishError(err)
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	}
}

// The server's codes for a stream that takes no more.
const (
	errCodeStorage     jetstream.ErrorCode = 10047 // no storage left for the account
	errCodeResources   jetstream.ErrorCode = 10023 // of the server
	errCodeStoreFailed jetstream.ErrorCode = 10077 // the stream's own limits are told by its text
	errCodeBeingStored jetstream.ErrorCode = 10158 // the id is that of a message that is not stored yet
)

func publishError(err error) error {
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case errors.Is(err, nats.ErrReconnectBufExceeded):
		return fmt.Errorf("%w: there is no connection to it", ErrUnavailable)
	}
	var api *jetstream.APIError
	if errors.As(err, &api) {
		switch {
		case api.ErrorCode == errCodeStorage, api.ErrorCode == errCodeResources,
			api.ErrorCode == errCodeStoreFailed && strings.HasPrefix(api.Description, "maximum"):
			return fmt.Errorf("%w: %s", ErrFull, api.Description)
		case api.ErrorCode == jetstream.JSErrCodeStreamMessageExceedsMaximum:
			return fmt.Errorf("%w: %s", ErrTooLarge, api.Description)
		case api.ErrorCode == errCodeBeingStored:
			return fmt.Errorf("%w: %w", ErrUnavailable, errBeingStored)
		}
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// find returns the sequence of a kept event by its key. It asks with a
// publish that can't succeed: a stream looks for duplicates before it
// compares sequences. An event beyond the window of duplicates is not found.
func (q *Queue) find(ctx context.Context, id string) (uint64, error) {
	msg := &nats.Msg{Subject: q.subject("events", headerTypeOther), Header: nats.Header{}}
	msg.Header.Set(nats.MsgIdHdr, id)
	msg.Header.Set(nats.ExpectedLastSeqHdr, strconv.FormatUint(math.MaxInt64, 10))
	ack, err := q.js.PublishMsg(ctx, msg)
	var api *jetstream.APIError
	switch {
	case err == nil && ack.Duplicate:
		return ack.Sequence, nil
	case errors.As(err, &api) && api.Code < 500:
		return 0, ErrNotFound
	}
	return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
}
