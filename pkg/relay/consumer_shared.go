package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// How often to check a consumer that seems to be ahead of its stream.
const (
	aheadTries = 10
	aheadPause = 200 * time.Millisecond
)

// openSharedRoutes opens or creates the consumers that listeners on a cluster share.
func (q *Queue) openSharedRoutes(ctx context.Context) error {
	shared, err := q.sharedRoutes(ctx, nil)
	if err != nil {
		return fmt.Errorf("open the queue: %w", openError(err))
	}
	known, err := q.sharedPositions(ctx, shared)
	if err != nil {
		return fmt.Errorf("open the queue: %w", err)
	}
	switch {
	case q.o.Routes == nil && len(shared) > 0:
		if err := q.useShared(shared, known); err != nil {
			return fmt.Errorf("open the queue: %w", err)
		}
	case q.o.Routes != nil:
		q.logOthers(shared, known)
	}
	if _, ok := known.floors[DefaultRoute]; len(known.floors) == 0 || ok && len(known.floors) == 1 {
		known.origin = known.floors
	}
	for _, r := range q.routes() {
		start, err := r.openShared(ctx, known)
		if err != nil {
			return fmt.Errorf("open the queue: %w", err)
		}
		r.logMissed(start)
	}
	if q.o.Routes == nil && !q.o.bind {
		q.useRoutes([]Route{}) // Forward adds them
	}
	return nil
}

// useShared uses the routes on a cluster if none were given. Only a process that reads
// the queue has them from the start; Forward adds them otherwise.
func (q *Queue) useShared(shared []*route, known positions) error {
	routes := []*route{}
	for _, r := range shared {
		if err := r.fitConsumer(r.consumer().CachedInfo().Config); err != nil {
			return err
		}
		if _, ended := known.former[r.name]; q.o.bind && !ended {
			routes = append(routes, r)
		}
	}
	q.current.Store(&routes)
	return nil
}

// logOthers logs the routes of other listeners.
func (q *Queue) logOthers(shared []*route, known positions) {
	for _, r := range shared {
		if _, ended := known.former[r.name]; !ended && q.route(r.name) == nil {
			q.o.Logf("this listener has no target for the route %s: its events are retained while another listener has it, and for %s afterwards",
				r.name, q.o.grace)
		}
	}
}

// sharedPositions returns the positions of routes on a cluster.
func (q *Queue) sharedPositions(ctx context.Context, shared []*route) (positions, error) {
	known := positions{floors: floors{}, former: floors{}}
	for _, r := range shared {
		info, err := r.info(ctx)
		if err != nil {
			return known, openError(err)
		}
		known.floors[r.name] = info.AckFloor.Stream
		if position, ok := inactiveAfter(info.Config); ok {
			known.former[r.name] = position
		}
	}
	return known, nil
}

// consumerNames returns the names of all consumers on the stream, sorted.
func (q *Queue) consumerNames(ctx context.Context) (names []string, err error) {
	list := q.events.ConsumerNames(ctx)
	for name := range list.Name() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, list.Err()
}

// sharedRoutes returns the routes whose consumers are on the stream of a cluster, except
// for those to leave out.
func (q *Queue) sharedRoutes(ctx context.Context, except []*route) (shared []*route, err error) {
	consumers, err := q.consumerNames(ctx)
	if err != nil {
		return nil, err
	}
	q.noteLetterRoutes(consumers)
	for _, consumer := range consumers {
		name := routeOf(consumer)
		isNamed := func(r *route) bool { return r.name == name }
		if name == "" || slices.ContainsFunc(shared, isNamed) || slices.ContainsFunc(except, isNamed) {
			continue
		}
		cons, err := q.events.Consumer(ctx, consumer)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		r := q.newRoute(Route{Name: name, WhenFull: WhenFull(cons.CachedInfo().Config.Metadata[metaWhenFull])})
		r.cons.Store(&cons)
		shared = append(shared, r)
	}
	return shared, nil
}

// openShared opens or creates the consumer of the route.
func (r *route) openShared(ctx context.Context, known positions) (start RouteStart, err error) {
	q := r.q
	cons, err := q.events.Consumer(ctx, r.consumerName())
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		if q.o.bind {
			return start, nil // do not create one for a reader: it would fix where forwarding begins
		}
		cons, start.New, err = r.createShared(ctx, known)
	}
	if err != nil {
		return start, openError(err)
	}
	if err := r.fitConsumer(cons.CachedInfo().Config); err != nil {
		return start, err
	}
	r.cons.Store(&cons)
	r.floor.Store(cons.CachedInfo().AckFloor.Stream)
	if q.o.bind {
		return start, nil
	}
	if err := r.mend(ctx); err != nil {
		return start, err
	}
	if position, ok := known.former[r.name]; ok {
		if err := q.describe(ctx, r.consumer().CachedInfo().Config, activeText); err != nil {
			return start, openError(err)
		}
		if start.Missed, err = q.missing(ctx, position); err != nil {
			return start, openError(err)
		}
	}
	return start, nil
}

// createShared creates the consumer of a route, unless another listener is faster.
func (r *route) createShared(ctx context.Context, known positions) (cons jetstream.Consumer, isNew bool, err error) {
	stream, err := r.q.events.Info(ctx)
	if err != nil {
		return nil, false, err
	}
	resume, isNew := known.start(r, stream.State.LastSeq)
	cons, err = r.q.events.CreateConsumer(ctx, r.configAfter(resume))
	if errors.Is(err, jetstream.ErrConsumerExists) {
		cons, err = r.q.events.Consumer(ctx, r.consumerName())
	}
	return cons, isNew, err
}

// fitConsumer returns an error if a consumer on a cluster has unsuitable settings.
func (r *route) fitConsumer(have jetstream.ConsumerConfig) error {
	q, filter := r.q, ""
	if len(have.FilterSubjects) > 0 || (have.FilterSubject != "" && have.FilterSubject != q.subject("events", "*")) {
		filter = "it filters subjects; "
	}
	if filter != "" || have.AckPolicy != jetstream.AckExplicitPolicy || have.MaxDeliver > 0 || have.HeadersOnly {
		return fmt.Errorf("%w: consumer %s of stream %s: %sit must have explicit acknowledgement, unlimited deliveries and no headers-only mode",
			ErrMisfit, r.consumerName(), q.streamName("EVENTS"), filter)
	}
	return nil
}

// mend replaces a consumer that is ahead of its stream. A stream with one
// replica may lose its last events and reuse their sequences, and the consumer would
// skip the new events. Servers may briefly give different answers, so mend
// asks several times.
func (r *route) mend(ctx context.Context) error {
	q := r.q
	for range aheadTries {
		cons, err := r.consumer().Info(ctx)
		if err != nil {
			return openError(err)
		}
		stream, err := q.events.Info(ctx) // after the consumer: it can only have grown
		if err != nil {
			return openError(err)
		}
		if cons.Delivered.Stream <= stream.State.LastSeq {
			return nil
		}
		select {
		case <-time.After(aheadPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	info := r.consumer().CachedInfo()
	q.o.Logf("the stream %s ends at %d, but the consumer %s is at %d: events were lost; forwarding continues after %d",
		q.streamName("EVENTS"), q.events.CachedInfo().State.LastSeq, r.consumerName(), info.Delivered.Stream, info.AckFloor.Stream)
	cons, err := r.repair(ctx, r.consumer(), q.events.CachedInfo().State.LastSeq, 0)
	if err != nil {
		return openError(err)
	}
	r.cons.Store(&cons)
	return nil
}
