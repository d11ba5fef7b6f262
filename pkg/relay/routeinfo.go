package relay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrRouteActive reports a route that cannot be forgotten, because a listener has it.
var ErrRouteActive = errors.New("a listener has the route")

// RouteState says whether events are retained for a route.
type RouteState string

// The states of a route.
const (
	RouteActive   RouteState = "active"   // a listener has it
	RouteAway     RouteState = "away"     // no listener has it now, but events are retained for it
	RouteInactive RouteState = "inactive" // events are not retained for it
)

// RouteInfo describes a route that has a position or dead letters.
type RouteInfo struct {
	Name     string     `json:"name"`
	State    RouteState `json:"state"`
	Position uint64     `json:"position"` // sequence up to which it has settled all events
	Waiting  uint64     `json:"waiting"`  // events in the queue that it has not settled
	Dead     uint64     `json:"dead"`     // its dead letters
}

// RouteInfos returns all routes, by name, whether a listener has them or not.
func (q *Queue) RouteInfos(ctx context.Context) ([]RouteInfo, error) {
	infos, err := q.routeInfos(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the routes: %w", readError(err))
	}
	return infos, nil
}

func (q *Queue) routeInfos(ctx context.Context) ([]RouteInfo, error) {
	consumers, err := q.routeConsumers(ctx)
	if err != nil {
		return nil, err
	}
	stream, err := q.events.Info(ctx) // after the consumers: it can only have grown
	if err != nil {
		return nil, err
	}
	dead, err := q.deadByRoute(ctx)
	if err != nil {
		return nil, err
	}
	active := q.activeRoutes(ctx, consumers)
	q.changing.Lock()
	former := maps.Clone(q.former)
	q.changing.Unlock()
	infos := []RouteInfo{}
	for _, name := range q.knownRoutes(consumers, former, dead) {
		info := q.routeInfo(name, furthest(consumers, name), former, stream.State)
		info.Dead = dead[name]
		if active[name] {
			info.State = RouteActive
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// routeInfo describes a route with its consumer, which may be missing, as if no listener
// had it.
func (q *Queue) routeInfo(name string, have *jetstream.ConsumerInfo, former floors, stream jetstream.StreamState) RouteInfo {
	info := RouteInfo{Name: name, State: RouteAway}
	position, inactive := former[name]
	if have != nil && !q.o.single {
		position, inactive = inactiveAfter(have.Config)
	}
	if inactive || q.o.single && q.route(name) == nil {
		info.State = RouteInactive
	}
	if have == nil {
		info.Position = position
		info.Waiting = over(stream.LastSeq+1, max(stream.FirstSeq, position+1))
		return info
	}
	if !inactive {
		position = have.AckFloor.Stream
	}
	info.Position, info.Waiting = position, have.NumPending+uint64(have.NumAckPending)
	return info
}

// routeConsumers returns the consumers of all routes.
func (q *Queue) routeConsumers(ctx context.Context) (infos []*jetstream.ConsumerInfo, err error) {
	if q.o.single {
		return q.consumerInfos(ctx)
	}
	shared, err := q.sharedRoutes(ctx, nil)
	for _, r := range shared {
		info, err := r.info(ctx)
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, err
}

// knownRoutes returns the names of all routes that have left a trace.
func (q *Queue) knownRoutes(consumers []*jetstream.ConsumerInfo, former floors, dead map[string]uint64) []string {
	names := slices.Concat(slices.Collect(maps.Keys(former)), slices.Collect(maps.Keys(dead)))
	if q.o.single {
		names = append(names, q.Routes()...)
	}
	for _, info := range consumers {
		if name := routeOf(info.Name); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// activeRoutes returns the routes that a listener has.
func (q *Queue) activeRoutes(ctx context.Context, consumers []*jetstream.ConsumerInfo) map[string]bool {
	active := map[string]bool{}
	if q.listening || !q.o.single && !q.o.bind {
		for _, name := range q.Routes() {
			active[name] = true
		}
	}
	if q.o.single {
		return active
	}
	for _, r := range q.ask(ctx, order{}) {
		active[r.Route] = true
	}
	for _, info := range consumers {
		if info.NumWaiting > 0 {
			active[routeOf(info.Name)] = true
		}
	}
	return active
}

// deadByRoute returns the number of dead letters of each route.
func (q *Queue) deadByRoute(ctx context.Context) (map[string]uint64, error) {
	info, err := q.dead.Info(ctx, jetstream.WithSubjectFilter(q.subject("dead", "*")))
	if err != nil {
		return nil, err
	}
	dead := map[string]uint64{}
	for subject, n := range info.State.Subjects {
		route, _, ok := strings.Cut(strings.TrimPrefix(subject, q.subject("dead", "")), "~")
		if !ok {
			route = DefaultRoute
		}
		dead[route] += n
	}
	return dead, nil
}

// ForgetRoute permanently removes the position and the dead letters of a route. The error
// wraps ErrNoRoute if there is none, and ErrRouteActive if a listener has it.
func (q *Queue) ForgetRoute(ctx context.Context, name string) error {
	if err := q.forgetRoute(ctx, name); err != nil {
		return fmt.Errorf("forget the route %q: %w", name, err)
	}
	return nil
}

func (q *Queue) forgetRoute(ctx context.Context, name string) error {
	infos, err := q.routeInfos(ctx)
	if err != nil {
		return readError(err)
	}
	i := slices.IndexFunc(infos, func(info RouteInfo) bool { return info.Name == name })
	switch {
	case i < 0:
		return ErrNoRoute
	case infos[i].State == RouteActive:
		return ErrRouteActive
	case q.remote:
		err = q.requestForget(ctx, name)
	default:
		err = q.forgetPosition(ctx, name)
	}
	if err != nil {
		return err
	}
	return q.dropLetters(ctx, name)
}

// forgetPosition removes the position of a route.
func (q *Queue) forgetPosition(ctx context.Context, name string) error {
	q.changing.Lock()
	defer q.changing.Unlock()
	if q.route(name) != nil && (q.listening || !q.o.bind) {
		return ErrRouteActive // since a moment ago
	}
	consumers, err := q.consumerNames(ctx)
	if err != nil {
		return readError(err)
	}
	var others []string
	for _, consumer := range consumers {
		if routeOf(consumer) != name {
			others = append(others, consumer)
			continue
		}
		err := q.events.DeleteConsumer(ctx, consumer)
		if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return readError(err)
		}
	}
	routes := slices.DeleteFunc(slices.Clone(q.routes()), func(r *route) bool { return r.name == name })
	q.current.Store(&routes)
	delete(q.former, name)
	q.noteLetterRoutes(others)
	return q.saveRoutes()
}

// dropLetters removes the dead letters of a route.
func (q *Queue) dropLetters(ctx context.Context, name string) (err error) {
	q.entries(ctx, q.dead, 1, "dead", newDeadEntry, func(e Entry, failed error) bool {
		if err = failed; err == nil && e.Route == name {
			err = q.removeDead(ctx, e.Sequence)
		}
		return err == nil
	})
	return err
}

// forgetSubject is where a store takes requests to forget a route, since it alone may
// change its record.
func (q *Queue) forgetSubject() string { return q.reportSubject() + ".forget" }

// serveForget answers the requests of admin commands with an error's text, or nothing.
func (q *Queue) serveForget() error {
	_, err := q.nc.Subscribe(q.forgetSubject(), func(m *nats.Msg) {
		ctx, cancel := context.WithTimeout(q.closing, q.o.apiTimeout())
		defer cancel()
		answer := ""
		if err := q.forgetPosition(ctx, string(m.Data)); err != nil {
			answer = err.Error()
		}
		_ = m.Respond([]byte(answer)) // fails if the command is gone
	})
	return err
}

func (q *Queue) requestForget(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, q.o.apiTimeout())
	defer cancel()
	m, err := q.nc.RequestWithContext(ctx, q.forgetSubject(), []byte(name))
	switch {
	case err != nil:
		return readError(err)
	case len(m.Data) > 0:
		return errors.New(string(m.Data))
	}
	return nil
}
