package relay

import (
	"context"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// RouteStart is how a route begins.
type RouteStart struct {
	// New reports that the route had no position.
	New bool
	// Missed is how many events the route has not settled and are no longer in the
	// queue, because others were stored while it was ended. It is an upper bound if
	// events were dropped, or delivered out of order.
	Missed uint64
}

// AddRoute adds a route to a queue in use. A route that the queue had before continues
// at its position, or at the oldest event that is still there. Of a route that the queue
// has, only WhenFull can change; on a cluster, the other listeners learn of it at the next
// Forward. The queue must not be attached.
func (q *Queue) AddRoute(ctx context.Context, given Route) (RouteStart, error) {
	start, err := q.addRoute(ctx, given)
	if err != nil {
		return RouteStart{}, fmt.Errorf("add the route %q: %w", given.Name, err)
	}
	return start, nil
}

func (q *Queue) addRoute(ctx context.Context, given Route) (start RouteStart, err error) {
	if err := checkRoute(given); err != nil {
		return start, err
	}
	q.changing.Lock()
	defer q.changing.Unlock()
	if r := q.route(given.Name); r != nil {
		r.skip.Store(given.WhenFull == Skip)
		return start, nil
	}
	return q.insertRoute(ctx, given)
}

func (q *Queue) insertRoute(ctx context.Context, given Route) (start RouteStart, err error) {
	ctx, cancel := context.WithTimeout(ctx, q.o.apiTimeout())
	defer cancel()
	q.room.Lock() // so that no event is removed that the route needs
	defer q.room.Unlock()
	r := q.newRoute(given)
	if q.o.single {
		start, err = r.addOwn(ctx)
	} else {
		start, err = r.addShared(ctx)
	}
	if err != nil {
		return start, err
	}
	routes := append(slices.Clone(q.routes()), r)
	q.current.Store(&routes)
	delete(q.former, r.name)
	_ = q.saveRoutes() // the upkeep tries again
	return start, nil
}

// adopt adds a route that is on the cluster, if the queue was opened without any.
func (q *Queue) adopt(name string) error {
	if q.o.single || q.o.bind || q.o.Routes != nil {
		return nil
	}
	shared, err := q.sharedRoutes(q.closing, nil)
	if err != nil {
		return openError(err)
	}
	if !slices.ContainsFunc(shared, func(r *route) bool { return r.name == name }) {
		return nil
	}
	start, err := q.insertRoute(q.closing, Route{Name: name})
	if err == nil {
		q.route(name).logMissed(start)
	}
	return err
}

// addOwn opens the consumer of a new route on the queue's own server.
func (r *route) addOwn(ctx context.Context) (start RouteStart, err error) {
	q := r.q
	infos, err := q.consumerInfos(ctx)
	if err != nil {
		return start, readError(err)
	}
	stream, err := q.events.Info(ctx) // after the consumers: it can only have grown
	if err != nil {
		return start, readError(err)
	}
	start, err = r.open(ctx, infos, stream.State.LastSeq, positions{floors: q.former, former: q.former})
	if err != nil {
		return start, readError(err)
	}
	names := append(slices.Clone(q.letterRoutes()), r.name)
	slices.Sort(names)
	names = slices.Compact(names)
	q.letters.Store(&names)
	return start, nil
}

// addShared opens the consumer of a new route on a cluster.
func (r *route) addShared(ctx context.Context) (start RouteStart, err error) {
	shared, err := r.q.sharedRoutes(ctx, nil)
	if err != nil {
		return start, openError(err)
	}
	known, err := r.q.sharedPositions(ctx, shared)
	if err != nil {
		return start, err
	}
	return r.openShared(ctx, known)
}

// EndRoute ends a route whose forwarder was stopped. The route keeps its position, but
// events are no longer retained for it; on a cluster, this also requires that no other
// listener has had it for a quarter of an hour.
func (q *Queue) EndRoute(ctx context.Context, name string) error {
	q.changing.Lock()
	defer q.changing.Unlock()
	r := q.route(name)
	switch {
	case r == nil:
		return fmt.Errorf("end the route %q: %w", name, ErrNoRoute)
	case r.forwarder.Load() != nil:
		return fmt.Errorf("end the route %s: its events are still being forwarded", r.name)
	}
	if q.o.single {
		if q.former == nil {
			q.former = floors{}
		}
		q.former[r.name] = r.lastFloor(ctx)
	}
	routes := slices.DeleteFunc(slices.Clone(q.routes()), func(have *route) bool { return have == r })
	q.current.Store(&routes)
	_ = q.saveRoutes() // the upkeep tries again
	return nil
}

// lastFloor returns the floor of the route, or the last known one if the server does not
// answer.
func (r *route) lastFloor(ctx context.Context) uint64 {
	ctx, cancel := context.WithTimeout(ctx, r.q.o.apiTimeout())
	defer cancel()
	if info, err := r.info(ctx); err == nil {
		return info.AckFloor.Stream
	}
	return r.floor.Load()
}

// saveRoutes saves the routes and the former ones, if the queue is a store.
func (q *Queue) saveRoutes() error {
	if q.record == nil {
		return nil
	}
	return q.record()
}

// missing returns how many events after a position are no longer in the queue.
func (q *Queue) missing(ctx context.Context, after uint64) (uint64, error) {
	info, err := q.events.Info(ctx, jetstream.WithDeletedDetails(true))
	if err != nil {
		return 0, err
	}
	missing := over(info.State.FirstSeq, after+1)
	for _, seq := range info.State.Deleted {
		if seq > after {
			missing++
		}
	}
	return missing, nil
}

// logMissed logs the events that a route has missed when the queue is opened.
func (r *route) logMissed(start RouteStart) {
	if start.Missed > 0 {
		r.q.o.Logf("the route %s continues, but has missed %d events while it was not in use", r.name, start.Missed)
	}
}
