package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// openRoutes opens the durable consumers of the queue's own server, which track
// forwarded events.
func (q *Queue) openRoutes(ctx context.Context, known positions) error {
	infos, err := q.consumerInfos(ctx)
	if err != nil {
		return fmt.Errorf("open the queue: %w", err)
	}
	stream, err := q.events.Info(ctx) // after the consumers: it can only have grown
	if err != nil {
		return fmt.Errorf("open the queue: %w", err)
	}
	var consumers []string
	for _, info := range infos {
		consumers = append(consumers, info.Name)
	}
	q.noteLetterRoutes(consumers)
	known.update(infos)
	q.logDropped(infos, known)
	for _, r := range q.routes() {
		start, err := r.open(ctx, infos, stream.State.LastSeq, known)
		if err != nil {
			return fmt.Errorf("open the queue: %w", err)
		}
		r.logMissed(start)
	}
	return nil
}

// logDropped logs events that wait for a route that is no longer in use, unless a new
// route takes its place.
func (q *Queue) logDropped(infos []*jetstream.ConsumerInfo, known positions) {
	replaced := known.origin != nil && slices.ContainsFunc(q.routes(), func(r *route) bool { return r.from == FromDefault })
	if q.o.bind || replaced {
		return
	}
	for name := range q.former {
		have := furthest(infos, name)
		if _, before := known.former[name]; before || have == nil {
			continue
		}
		if waiting := have.NumPending + uint64(have.NumAckPending); waiting > 0 {
			q.o.Logf("the route %s is no longer in use: %d events that it has not forwarded are no longer retained for it", name, waiting)
		}
	}
}

func (q *Queue) consumerInfos(ctx context.Context) (infos []*jetstream.ConsumerInfo, err error) {
	list := q.events.ListConsumers(ctx)
	for info := range list.Info() {
		infos = append(infos, info)
	}
	return infos, list.Err()
}

// furthest returns the consumer of a route that has settled the most events, or nil if
// there is none.
func furthest(infos []*jetstream.ConsumerInfo, name string) (best *jetstream.ConsumerInfo) {
	for _, info := range infos {
		if routeOf(info.Name) == name && (best == nil || info.AckFloor.Stream > best.AckFloor.Stream) {
			best = info
		}
	}
	return best
}

// open opens the route's consumer on the queue's own server, or creates it. last is the
// end of the stream.
func (r *route) open(ctx context.Context, infos []*jetstream.ConsumerInfo, last uint64, known positions) (start RouteStart, err error) {
	var cons jetstream.Consumer
	if have := furthest(infos, r.name); have != nil {
		if cons, err = r.q.events.Consumer(ctx, have.Name); err != nil {
			return start, err
		}
	}
	resume, isNew := known.start(r, last)
	if isNew && cons != nil { // created just before the process ended: the record is older
		resume, isNew = 0, false
	}
	resume = min(resume, last)
	start.New = isNew
	r.floor.Store(resume)
	if r.q.o.bind {
		r.resume = resume
	} else {
		if floor, ended := known.former[r.name]; ended {
			if start.Missed, err = r.q.missing(ctx, floor); err != nil {
				return start, err
			}
		}
		if cons, err = r.repair(ctx, cons, last, resume); err != nil {
			return start, err
		}
		r.q.forgotten = r.q.forgotten || r.forgotten && !isNew
	}
	if cons != nil {
		r.cons.Store(&cons)
	}
	return start, nil
}

// repair returns a consumer that fits the stream: the one given, or a
// new one in its place.
func (r *route) repair(ctx context.Context, cons jetstream.Consumer, last, resume uint64) (jetstream.Consumer, error) {
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
		if err := r.q.events.DeleteConsumer(ctx, info.Name); err != nil {
			return nil, err
		}
	}
	r.forgotten = resume == 0 && last > 0
	return r.create(ctx, r.configAfter(resume))
}

// create creates a consumer. It uses another name if the server can neither
// read nor replace the consumer that has the usual name.
func (r *route) create(ctx context.Context, config jetstream.ConsumerConfig) (cons jetstream.Consumer, err error) {
	for n := 1; n < 10; n++ {
		if n > 1 {
			config.Durable = r.numberedName(n)
		}
		var api *jetstream.APIError
		cons, err = r.q.events.CreateConsumer(ctx, config)
		if err == nil || !errors.As(err, &api) {
			break
		}
	}
	return cons, err
}

// configAfter returns the settings of a consumer that begins after an event.
func (r *route) configAfter(resume uint64) jetstream.ConsumerConfig {
	config := r.config()
	if resume > 0 {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, resume+1
	}
	return config
}

func (r *route) config() jetstream.ConsumerConfig {
	concurrency := 1
	if f := r.forwarder.Load(); f != nil {
		concurrency = f.o.Concurrency
	}
	return jetstream.ConsumerConfig{
		Durable:       r.consumerName(),
		Description:   activeText,
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       r.q.o.AckWait,
		MaxDeliver:    -1,
		MaxAckPending: ackPending(concurrency),
		Metadata:      r.describe(nil),
		// Replicas: as many as the stream has.
	}
}
