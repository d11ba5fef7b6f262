package relay

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

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

// heal recreates a consumer that was deleted. err is the result of reading the state of
// the queue. It does not recreate a deleted stream: the events in it are
// lost, and an admin may want to restore them.
func (q *Queue) heal(ctx context.Context, err error) {
	var api *jetstream.APIError
	switch {
	case q.o.single || q.o.bind:
	case err == nil:
		q.found(ctx)
	case errors.As(err, &api):
		if q.missingStream(ctx) || !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return
		}
		for _, r := range q.routes() {
			if _, err := r.info(ctx); !errors.Is(err, jetstream.ErrConsumerNotFound) {
				continue
			}
			if err := r.recreate(ctx); err != nil && ctx.Err() == nil {
				q.o.Logf("the consumer %s of the stream %s was deleted and cannot be created again: %v",
					r.consumerName(), q.streamName("EVENTS"), err)
			}
		}
	}
}

// found records that the streams and the consumer exist. It checks streams that were
// recreated before events are stored in them.
func (q *Queue) found(ctx context.Context) {
	q.created = q.events.CachedInfo().Created
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

// recreate creates the consumer after the last event that is known to
// be settled, or at the oldest event if the stream was replaced.
func (r *route) recreate(ctx context.Context) error {
	q := r.q
	stream, err := q.events.Info(ctx)
	if err != nil {
		return err
	}
	resume := r.floor.Load()
	if !stream.Created.Equal(q.created) || resume > stream.State.LastSeq {
		resume = 0
	}
	cons, err := q.events.CreateConsumer(ctx, r.configAfter(resume))
	if errors.Is(err, jetstream.ErrConsumerExists) { // another listener was faster
		cons, err = q.events.Consumer(ctx, r.consumerName())
	}
	if err != nil {
		return err
	}
	r.cons.Store(&cons)
	q.o.Logf("the consumer %s of the stream %s was deleted: creating it again; forwarding continues after event %d",
		r.consumerName(), stream.Config.Name, resume)
	return nil
}
