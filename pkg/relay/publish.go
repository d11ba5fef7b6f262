package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Outcome is the result of Publish.
type Outcome string

// The outcomes. After Stored and Duplicate the event is safe, so answer with success.
// Full and Unavailable come with an error, so answer with 503.
const (
	Stored      Outcome = "stored"      // the event is in the stream
	Duplicate   Outcome = "duplicate"   // the event was in the stream already
	Full        Outcome = "full"        // there is no room; ErrFull
	Unavailable Outcome = "unavailable" // no server, or no answer in time; ErrUnavailable
)

// Errors of Publish.
var (
	ErrFull        = errors.New("the queue is full")
	ErrUnavailable = errors.New("the queue is not available")
	ErrTooLarge    = errors.New("the event is too large for the queue")
)

// errNoAnswer is why a publish ends after AckTimeout.
var errNoAnswer = errors.New("the event was not acknowledged in time")

// errNoID reports an event without an id, which the caller should have checked.
var errNoID = errors.New("the event has no id")

// Publish stores the event and returns once the stream has acknowledged it. The event
// is then written to a file, and with StoreOptions.Sync also synced to the disk. An
// event reported as Unavailable may have been stored anyway, and is then forwarded like
// any other. The caller must not change the header and body after the call. Publish is
// safe for concurrent use.
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

// publishNow does the work of publish, but may return after ctx has ended.
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

// Ready returns an error if the queue cannot store events, as far as it can determine
// this without storing one. The error wraps ErrUnavailable or ErrFull.
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

const (
	// roomTries is how often to make room for an event, since others may take it.
	roomTries = 5
	// messageOverhead is at least what a stream counts for a message in addition to
	// its content, in bytes.
	messageOverhead = 64
)

func (q *Queue) store(ctx context.Context, e Event) (Outcome, error) {
	id := key(e.ID)
	if q.counters.dead.Load() > 0 {
		// The stream of events may have forgotten the id.
		letters, err := q.lettersOf(ctx, q.letterRoutes(), id)
		if err != nil {
			return "", fmt.Errorf("%w: check the dead letters: %w", ErrUnavailable, err)
		}
		if len(letters) > 0 {
			return Duplicate, nil
		}
	}
	msg := &nats.Msg{Subject: q.subject("events", typeToken(e.Type)), Header: storedHeader(e.Header), Data: e.Body}
	msg.Header.Set(nats.MsgIdHdr, id)
	ack, err := q.sendSettled(ctx, msg)
	for range roomTries {
		if !errors.Is(err, ErrFull) || !q.makeRoom(ctx, uint64(msg.Size()+messageOverhead)) {
			break
		}
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

// errBeingStored reports a duplicate of an event that the cluster is still storing.
// Storing it may fail, so the duplicate cannot be acknowledged yet.
var errBeingStored = errors.New("the first copy of this event is still being stored")

// againPause is the time before such a duplicate is published again.
const againPause = 25 * time.Millisecond

// sendSettled calls send. For a duplicate, it waits until the first copy is stored.
func (q *Queue) sendSettled(ctx context.Context, msg *nats.Msg) (*jetstream.PubAck, error) {
	for {
		ack, err := q.send(ctx, msg)
		switch {
		case errors.Is(err, errBeingStored):
		case err == nil && ack.Duplicate && ack.Sequence == 0: // servers before 2.10
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

// send publishes one message and waits for its acknowledgement.
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

// The server's codes for a stream that accepts no message.
const (
	errCodeStorage     jetstream.ErrorCode = 10047 // no storage left for the account
	errCodeResources   jetstream.ErrorCode = 10023 // of the server
	errCodeStoreFailed jetstream.ErrorCode = 10077 // the description names the stream's limit
	errCodeBeingStored jetstream.ErrorCode = 10158 // the id is that of a message that is not yet stored
)

func publishError(err error) error {
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case errors.Is(err, nats.ErrReconnectBufExceeded):
		return fmt.Errorf("%w: not connected", ErrUnavailable)
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
