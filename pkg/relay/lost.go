package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// known is the last state of a queue on a cluster, in case its consumer is deleted.
type known struct {
	created time.Time // the stream of the events
	floor   uint64    // all events up to it are settled
}

// refuse returns why no event can be stored at present, or nil.
func (q *Queue) refuse() error {
	if lost := q.lost.Load(); lost != nil {
		return *lost
	}
	if q.barrier != nil {
		return q.barrier()
	}
	return nil
}

// heal recreates a consumer that was deleted. Its arguments are the result of reading
// the state of the queue. It does not recreate a deleted stream: the events in it are
// lost, and an admin may want to restore them.
func (q *Queue) heal(ctx context.Context, p position, err error) {
	var api *jetstream.APIError
	switch {
	case q.o.single || q.o.bind:
	case err == nil:
		q.found(ctx, p)
	case errors.As(err, &api):
		if q.missingStream(ctx) || !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return
		}
		if err := q.recreateConsumer(ctx); err != nil && ctx.Err() == nil {
			q.o.Logf("the consumer %s of the stream %s was deleted and cannot be created again: %v",
				consumerName, q.streamName("EVENTS"), err)
		}
	}
}

// found records that the streams and the consumer exist. It checks streams that were
// recreated before events are stored in them.
func (q *Queue) found(ctx context.Context, p position) {
	q.known = known{created: q.events.CachedInfo().Created, floor: p.floor}
	if q.lost.Load() == nil {
		return
	}
	for _, want := range []jetstream.StreamConfig{q.eventsConfig(), q.deadConfig()} {
		if _, err := q.findStream(ctx, want); err != nil {
			err = fmt.Errorf("%w: %w", ErrUnavailable, err)
			q.lost.Store(&err)
			return
		}
	}
	q.lost.Store(nil)
	q.o.Logf("the streams exist again: events are accepted")
}

// missingStream reports whether a stream was deleted, and refuses events if so.
func (q *Queue) missingStream(ctx context.Context) bool {
	for _, kind := range []string{"EVENTS", "DEAD"} {
		name := q.streamName(kind)
		if _, err := q.js.Stream(ctx, name); !errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		err := fmt.Errorf("%w: the stream %s was deleted", ErrUnavailable, name)
		if q.lost.Swap(&err) == nil {
			q.o.Logf("the stream %s was deleted: events are refused; restore it with `nats stream restore`, or restart the listener to create an empty one", name)
		}
		return true
	}
	return false
}

// recreateConsumer creates the consumer after the last event that is known to
// be settled, or at the oldest event if the stream was replaced.
func (q *Queue) recreateConsumer(ctx context.Context) error {
	stream, err := q.events.Info(ctx)
	if err != nil {
		return err
	}
	config, resume := q.consumerConfig(), q.known.floor
	if !stream.Created.Equal(q.known.created) || resume > stream.State.LastSeq {
		resume = 0
	}
	if resume > 0 {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, resume+1
	}
	cons, err := q.events.CreateConsumer(ctx, config)
	if errors.Is(err, jetstream.ErrConsumerExists) { // another listener was faster
		cons, err = q.events.Consumer(ctx, consumerName)
	}
	if err != nil {
		return err
	}
	q.cons.Store(&cons)
	q.o.Logf("the consumer %s of the stream %s was deleted: creating it again; forwarding continues after event %d",
		consumerName, stream.Config.Name, resume)
	return nil
}
