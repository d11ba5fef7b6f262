package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// openConsumer opens the durable consumer of the queue's own server, which
// tracks forwarded events. All events up to resume are known to be
// settled, even if the consumer is missing or has forgotten it.
func (q *Queue) openConsumer(ctx context.Context, resume uint64) error {
	cons, err := q.ownConsumer(ctx)
	if err != nil {
		return fmt.Errorf("open the queue: %w", err)
	}
	stream, err := q.events.Info(ctx) // after the consumer: it can only have grown
	if err != nil {
		return fmt.Errorf("open the queue: %w", err)
	}
	resume = min(resume, stream.State.LastSeq)
	if q.o.bind {
		q.resume = resume
	} else if cons, err = q.repairConsumer(ctx, cons, stream.State.LastSeq, resume); err != nil {
		return fmt.Errorf("open the queue: %w", err)
	}
	if cons != nil {
		q.cons.Store(&cons)
	}
	return nil
}

// ownConsumer returns the consumer that has settled the most events, or nil if there
// is none.
func (q *Queue) ownConsumer(ctx context.Context) (jetstream.Consumer, error) {
	var best *jetstream.ConsumerInfo
	list := q.events.ListConsumers(ctx)
	for info := range list.Info() {
		if isConsumerName(info.Name) && (best == nil || info.AckFloor.Stream > best.AckFloor.Stream) {
			best = info
		}
	}
	if err := list.Err(); err != nil || best == nil {
		return nil, err
	}
	return q.events.Consumer(ctx, best.Name)
}

func isConsumerName(name string) bool {
	return name == consumerName || strings.HasPrefix(name, consumerName+"-")
}

// repairConsumer returns a consumer that fits the stream: the one given, or a
// new one in its place.
func (q *Queue) repairConsumer(ctx context.Context, cons jetstream.Consumer, last, resume uint64) (jetstream.Consumer, error) {
	if cons != nil {
		info := cons.CachedInfo()
		// A stream that lost its last events reuses their sequences. This consumer
		// would treat the new events as forwarded.
		ahead := info.Delivered.Stream > last
		if !ahead && info.AckFloor.Stream >= resume {
			return cons, nil
		}
		if ahead {
			resume = max(resume, min(info.AckFloor.Stream, last))
		}
		if err := q.events.DeleteConsumer(ctx, info.Name); err != nil {
			return nil, err
		}
	}
	config := q.consumerConfig()
	if resume > 0 {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, resume+1
	}
	q.forgotten = resume == 0 && last > 0
	return q.createConsumer(ctx, config)
}

// createConsumer creates a consumer. It uses another name if the server can neither
// read nor replace the consumer that has the usual name.
func (q *Queue) createConsumer(ctx context.Context, config jetstream.ConsumerConfig) (cons jetstream.Consumer, err error) {
	for n := 1; n < 10; n++ {
		if n > 1 {
			config.Durable = fmt.Sprintf("%s-%d", consumerName, n)
		}
		var api *jetstream.APIError
		cons, err = q.events.CreateConsumer(ctx, config)
		if err == nil || !errors.As(err, &api) {
			break
		}
	}
	return cons, err
}

// consumer returns the queue's current consumer, since a repair may replace it.
func (q *Queue) consumer() jetstream.Consumer { return *q.cons.Load() }

// consumerInfo returns the consumer's state. A queue that was opened only to be read
// may have no consumer; then it returns the state that a new one would have.
func (q *Queue) consumerInfo(ctx context.Context) (*jetstream.ConsumerInfo, error) {
	if cons := q.cons.Load(); cons != nil {
		return (*cons).Info(ctx)
	}
	stream, err := q.events.Info(ctx)
	if err != nil {
		return nil, err
	}
	at := jetstream.SequenceInfo{Stream: q.resume}
	first := max(stream.State.FirstSeq, q.resume+1)
	return &jetstream.ConsumerInfo{AckFloor: at, Delivered: at, NumPending: over(stream.State.LastSeq+1, first)}, nil
}

func (q *Queue) consumerConfig() jetstream.ConsumerConfig {
	concurrency := 1
	if f := q.forwarder.Load(); f != nil {
		concurrency = f.o.Concurrency
	}
	return jetstream.ConsumerConfig{
		Durable:       consumerName,
		Description:   "position of the relay",
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       q.o.AckWait,
		MaxDeliver:    -1,
		MaxAckPending: ackPending(concurrency),
		// Replicas: as many as the stream has.
	}
}

// How often to check a consumer that seems to be ahead of its stream.
const (
	aheadTries = 10
	aheadPause = 200 * time.Millisecond
)

// openShared opens or creates the consumer that listeners on a cluster share.
func (q *Queue) openShared(ctx context.Context) error {
	cons, err := q.events.Consumer(ctx, consumerName)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		if q.o.bind {
			return nil // do not create one for a reader: it would fix where forwarding begins
		}
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
		return fmt.Errorf("%w: consumer %s of stream %s: %sit must have explicit acknowledgement, unlimited deliveries and no headers-only mode",
			ErrMisfit, consumerName, q.streamName("EVENTS"), filter)
	}
	q.cons.Store(&cons)
	if q.o.bind {
		return nil
	}
	return q.mendConsumer(ctx)
}

// mendConsumer replaces a consumer that is ahead of its stream. A stream with one
// replica may lose its last events and reuse their sequences, and the consumer would
// skip the new events. Servers may briefly give different answers, so mendConsumer
// asks several times.
func (q *Queue) mendConsumer(ctx context.Context) error {
	for range aheadTries {
		cons, err := q.consumer().Info(ctx)
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
	info := q.consumer().CachedInfo()
	q.o.Logf("the stream %s ends at %d, but the consumer %s is at %d: events were lost; forwarding continues after %d",
		q.streamName("EVENTS"), q.events.CachedInfo().State.LastSeq, consumerName, info.Delivered.Stream, info.AckFloor.Stream)
	cons, err := q.repairConsumer(ctx, q.consumer(), q.events.CachedInfo().State.LastSeq, 0)
	if err != nil {
		return fmt.Errorf("open the queue: %w", openError(err))
	}
	q.cons.Store(&cons)
	return nil
}
