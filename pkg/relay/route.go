package relay

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay/cluster"
)

// DefaultRoute is the route of a target without a name.
const DefaultRoute = "forward"

// Route is a way from the queue to a target, with a position of its own.
type Route = cluster.Route

// From is where a new route begins.
type From = cluster.From

// The places where a new route begins.
const (
	// FromDefault is the end of the queue. But if none of the previous routes remains,
	// it is the position of the slowest of them, so that renaming loses no event.
	FromDefault From = ""
	FromNow     From = "now"    // the end of the queue
	FromOldest  From = "oldest" // the oldest event in the queue
)

// WhenFull is what happens to the events that a route has not settled when the queue is
// full.
type WhenFull = cluster.WhenFull

// The ways to deal with a full queue.
const (
	Refuse WhenFull = "refuse" // new events are refused; "" means the same
	Skip   WhenFull = "skip"   // the route's oldest events are given up
)

// ValidName reports whether a text can name a route or an endpoint: up to 32 lower-case
// letters, digits, - and _, the first of them a letter or digit. Upper case is not valid,
// because names become parts of file names, and some file systems ignore case.
func ValidName(text string) bool {
	const first = "abcdefghijklmnopqrstuvwxyz0123456789"
	return text != "" && len(text) <= 32 && strings.Contains(first, text[:1]) && strings.Trim(text, first+"-_") == ""
}

// CheckRoute returns an error if a text is not a valid name of a route.
func CheckRoute(name string) error {
	if !ValidName(name) {
		return fmt.Errorf("invalid route %q: must be up to 32 lower-case letters, digits, - and _", name)
	}
	return nil
}

func checkRoute(r Route) error {
	if err := CheckRoute(r.Name); err != nil {
		return err
	}
	switch {
	case r.From != FromDefault && r.From != FromNow && r.From != FromOldest:
		return fmt.Errorf("route %s: invalid from %q: must be %s or %s", r.Name, r.From, FromNow, FromOldest)
	case r.WhenFull != "" && r.WhenFull != Refuse && r.WhenFull != Skip:
		return fmt.Errorf("route %s: invalid when_full %q: must be %s or %s", r.Name, r.WhenFull, Refuse, Skip)
	}
	return nil
}

// route is one way from the queue to a target. Its position in the stream is that of a
// durable consumer, which belongs to the route's name.
type route struct {
	q         *Queue
	name      string
	from      From
	skip      atomic.Bool // its WhenFull is Skip
	cons      atomic.Pointer[jetstream.Consumer]
	forwarder atomic.Pointer[Forwarder]
	// resume is the position if there is no consumer and the queue is only read.
	resume    uint64
	floor     atomic.Uint64 // all events up to it were settled at the last look
	forgotten bool          // the consumer was lost, and with it the position

	letters    sync.Mutex // held while dead letters are removed to make room
	nextLetter uint64     // there is no older dead letter of the route; under letters
}

// Consumers of named routes begin with routePrefix. The server may be unable to
// replace a damaged consumer; its replacement has a number, after a separator that
// cannot be part of a name.
const (
	routePrefix      = "route-"
	numberSeparator  = "="
	defaultSeparator = "-" // after DefaultRoute
)

// consumerName returns the usual name of the route's consumer.
func (r *route) consumerName() string {
	if r.name == DefaultRoute {
		return DefaultRoute
	}
	return routePrefix + r.name
}

// numberedName returns the name of the n-th replacement of the consumer.
func (r *route) numberedName(n int) string {
	if r.name == DefaultRoute {
		return DefaultRoute + defaultSeparator + strconv.Itoa(n)
	}
	return r.consumerName() + numberSeparator + strconv.Itoa(n)
}

// routeOf returns the route of a consumer, or "" if the consumer is not the relay's.
func routeOf(consumer string) string {
	if consumer == DefaultRoute || strings.HasPrefix(consumer, DefaultRoute+defaultSeparator) {
		return DefaultRoute
	}
	name, ok := strings.CutPrefix(consumer, routePrefix)
	name, _, _ = strings.Cut(name, numberSeparator)
	if !ok || !ValidName(name) || name == DefaultRoute {
		return ""
	}
	return name
}

// consumer returns the route's current consumer, since a repair may replace it.
func (r *route) consumer() jetstream.Consumer { return *r.cons.Load() }

// info returns the consumer's state. A queue that was opened only to be read may have
// no consumer; then it returns the state that a new one would have.
func (r *route) info(ctx context.Context) (*jetstream.ConsumerInfo, error) {
	if cons := r.cons.Load(); cons != nil {
		return (*cons).Info(ctx)
	}
	stream, err := r.q.events.Info(ctx)
	if err != nil {
		return nil, err
	}
	at := jetstream.SequenceInfo{Stream: r.resume}
	first := max(stream.State.FirstSeq, r.resume+1)
	return &jetstream.ConsumerInfo{AckFloor: at, Delivered: at, NumPending: over(stream.State.LastSeq+1, first)}, nil
}

// Routes returns the names of the queue's routes. If the queue was opened only to be
// read, these are the routes of the last listener, or on a cluster of all listeners.
func (q *Queue) Routes() []string {
	names := []string{}
	for _, r := range q.routes() {
		names = append(names, r.name)
	}
	return names
}

// routes returns the routes of this process. The caller must not change the slice.
func (q *Queue) routes() []*route { return *q.current.Load() }

// route returns a route of this process, or nil. "" means DefaultRoute.
func (q *Queue) route(name string) *route {
	name = orElse(name, DefaultRoute)
	for _, r := range q.routes() {
		if r.name == name {
			return r
		}
	}
	return nil
}

func (q *Queue) newRoute(r Route) *route {
	added := &route{q: q, name: r.Name, from: r.From}
	added.skip.Store(r.WhenFull == Skip)
	return added
}

func (q *Queue) useRoutes(given []Route) {
	if given == nil {
		given = []Route{{Name: DefaultRoute}}
	}
	routes := make([]*route, len(given))
	for i, r := range given {
		routes[i] = q.newRoute(r)
	}
	q.current.Store(&routes)
}

// letterRoutes returns the routes that may have dead letters, including former routes
// whose consumer still exists.
func (q *Queue) letterRoutes() []string { return *q.letters.Load() }

func (q *Queue) noteLetterRoutes(consumers []string) {
	names := append(q.Routes(), DefaultRoute)
	for _, consumer := range consumers {
		if name := routeOf(consumer); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	q.letters.Store(&names)
}

// floors are positions by route: all events up to a floor are settled by the route.
type floors map[string]uint64

// positions are known from other sources than the consumers, which may be missing or
// have forgotten them.
type positions struct {
	floors floors
	former floors // of those that were not in use
	// origin has the previous routes if all current ones are new. Then the new ones
	// begin where the slowest of the previous ones is, so that no event is lost when
	// a target gets another name. nil means that new routes begin with the next event.
	origin floors
	// unrecorded is set without a record: the store is new, or the record was lost.
	unrecorded bool
}

// update replaces the recorded positions of previous routes with the positions of their
// consumers, which are newer. Without a record, the previous route is DefaultRoute.
func (p positions) update(infos []*jetstream.ConsumerInfo) {
	if p.origin == nil {
		return
	}
	if len(p.origin) == 0 && furthest(infos, DefaultRoute) != nil {
		p.origin[DefaultRoute] = 0
	}
	for name, floor := range p.origin {
		if have := furthest(infos, name); have != nil {
			p.origin[name] = max(floor, have.AckFloor.Stream)
		}
	}
}

// start returns the position of a route without a consumer, and whether it is a new
// one. last is the end of the stream.
func (p positions) start(r *route, last uint64) (position uint64, isNew bool) {
	if floor, ok := p.floors[r.name]; ok {
		return floor, false
	}
	switch {
	case r.from == FromOldest && !p.unrecorded:
		return 0, true
	case r.from == FromNow && !p.unrecorded, p.origin == nil:
		return last, true
	}
	first := true
	for _, floor := range p.origin {
		if first || floor < position {
			position, first = floor, false
		}
	}
	return position, !first // without previous routes, events may have been forwarded
}

// routePosition is how far a route has come.
type routePosition struct {
	route            *route
	floor, delivered uint64 // all events up to floor are settled; none after delivered was taken
	open             int    // unsettled events between these two
	waiting          uint64 // unsettled events
	info             *jetstream.ConsumerInfo
}

// settled reports whether an event is settled. open has the unsettled events that were
// taken; nil if they are unknown.
func (p routePosition) settled(seq uint64, open map[uint64]struct{}) bool {
	if seq <= p.floor {
		return true
	}
	_, isOpen := open[seq]
	return seq <= p.delivered && open != nil && !isOpen
}
