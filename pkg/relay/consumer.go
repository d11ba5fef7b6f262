package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// openConsumer opens the durable consumer that remembers what was forwarded.
// resume is a sequence up to which all is known to be forwarded, even where
// the consumer is missing or has forgotten it.
func (q *Queue) openConsumer(ctx context.Context, resume uint64) error {
	stream, err := q.events.Info(ctx)
	if err != nil {
		return fmt.Errorf("open the queue: %w", err)
	}
	last := stream.State.LastSeq
	resume = min(resume, last)
	cons, err := q.events.Consumer(ctx, consumerName)
	if err == nil {
		info := cons.CachedInfo()
		floor := info.AckFloor.Stream
		switch {
		case info.Delivered.Stream > last:
			// The stream lost its end, and gives its sequences out again:
			// this consumer would take new events for forwarded ones.
			q.o.Logf("the queue ends at %d, but %d were taken: forwarding goes on after %d",
				last, info.Delivered.Stream, min(floor, last))
			resume = max(resume, min(floor, last))
		case floor < resume:
			q.o.Logf("the queue knows of %d forwarded events, but %d were: forwarding goes on after %d", floor, resume, resume)
		default:
			q.setConsumer(cons)
			return nil
		}
		if err := q.events.DeleteConsumer(ctx, consumerName); err != nil {
			return fmt.Errorf("open the queue: %w", err)
		}
		err = jetstream.ErrConsumerNotFound
	}
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		config := q.consumerConfig()
		if resume > 0 {
			config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, resume+1
		}
		cons, err = q.events.CreateConsumer(ctx, config)
	}
	if err != nil {
		return fmt.Errorf("open the queue: %w", err)
	}
	q.setConsumer(cons)
	return nil
}

// setConsumer keeps the first handle, which is good for a consumer that
// replaces the first one too: it goes by the name.
func (q *Queue) setConsumer(cons jetstream.Consumer) {
	if q.cons == nil {
		q.cons = cons
	}
}

func (q *Queue) consumerConfig() jetstream.ConsumerConfig {
	concurrency := 1
	if f := q.forwarder.Load(); f != nil {
		concurrency = f.o.Concurrency
	}
	return jetstream.ConsumerConfig{
		Durable:       consumerName,
		Description:   "what was forwarded",
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       q.o.AckWait,
		MaxDeliver:    -1,
		MaxAckPending: ackPending(concurrency),
		// As many replicas as the stream.
	}
}

// How often a consumer is asked again that seems to be ahead of its stream.
const (
	aheadTries = 10
	aheadPause = 200 * time.Millisecond
)

// openShared opens the consumer that several listeners share, or makes it.
func (q *Queue) openShared(ctx context.Context) error {
	cons, err := q.events.Consumer(ctx, consumerName)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		cons, err = q.events.CreateConsumer(ctx, q.consumerConfig())
		if errors.Is(err, jetstream.ErrConsumerExists) { // another listener was faster
			cons, err = q.events.Consumer(ctx, consumerName)
		}
	}
	if err != nil {
		return fmt.Errorf("open the queue: %w", openError(err))
	}
	have, filter := cons.CachedInfo().Config, ""
	if len(have.FilterSubjects) > 0 || (have.FilterSubject != "" && have.FilterSubject != q.subject("events", "*")) {
		filter = "it filters subjects; "
	}
	if filter != "" || have.AckPolicy != jetstream.AckExplicitPolicy || have.MaxDeliver > 0 || have.HeadersOnly {
		return fmt.Errorf("%w: consumer %s of stream %s: %sit needs explicit acknowledgement, no limit of deliveries, and whole events",
			ErrMisfit, consumerName, q.streamName("EVENTS"), filter)
	}
	q.setConsumer(cons)
	return q.mendConsumer(ctx)
}

// mendConsumer looks for a stream that lost its end, as one of a single
// replica may, and gives its sequences out again: the consumer would take new
// events for forwarded ones. Two answers from different servers may differ
// for a moment; what stays so is real.
func (q *Queue) mendConsumer(ctx context.Context) error {
	for range aheadTries {
		cons, err := q.cons.Info(ctx)
		if err != nil {
			return fmt.Errorf("open the queue: %w", openError(err))
		}
		stream, err := q.events.Info(ctx) // after the consumer: it can only have grown
		if err != nil {
			return fmt.Errorf("open the queue: %w", openError(err))
		}
		if cons.Delivered.Stream <= stream.State.LastSeq {
			return nil
		}
		select {
		case <-time.After(aheadPause):
		case <-ctx.Done():
			return fmt.Errorf("open the queue: %w", context.Cause(ctx))
		}
	}
	return q.openConsumer(ctx, 0)
}
