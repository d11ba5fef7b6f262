package relay

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Defaults of QueueOptions and StoreOptions.
const (
	DefaultPrefix     = "mender"
	DefaultMaxBytes   = 1 << 30
	DefaultKeep       = 48 * time.Hour
	DefaultAckTimeout = 4 * time.Second
	DefaultAckWait    = 2 * time.Second
)

const (
	// eventsDescription marks a stream that this package created and whose
	// deduplication window it adjusts.
	eventsDescription = "Mender's webhook events, waiting or delivered"
	// inFlight limits the publishes that wait for an acknowledgement, because each
	// takes memory. Further ones are refused.
	inFlight  = 8192
	stallWait = time.Second
)

// QueueOptions configure a Queue. The zero value of each field is its default.
type QueueOptions struct {
	// Prefix starts all subjects and names the streams: with "mender", events
	// are in MENDER_EVENTS under mender.events.<type>. It may contain dots.
	Prefix string
	// MaxBytes limits the total size of all events, in bytes, including headers.
	// Delivered events are removed to make room. A separate limit of the same size
	// applies to dead letters. An existing stream on a cluster keeps its limit.
	MaxBytes int64
	// Keep is how long delivered events are retained for deduplication, from
	// their delivery on.
	Keep time.Duration
	// AckTimeout limits how long Publish waits for the acknowledgement.
	AckTimeout time.Duration
	// AckWait is the time after which an event is delivered again if the process
	// that was forwarding it has died.
	AckWait time.Duration
	// Replicas is the number of replicas of streams that are created; 0 means 1.
	Replicas int
	// Routes are the routes, each with a position of its own. nil means the routes
	// that exist, or DefaultRoute if there are none. Without any route, events are
	// only retained, as delivered ones are.
	Routes []Route
	// Domain is the cluster's JetStream domain, and APIPrefix the subject under
	// which its API is exported to this account; most have neither.
	Domain, APIPrefix string
	// Logf receives messages about the queue; nil drops them.
	Logf Logf

	// single is set for an embedded server: no one else changes its streams, and
	// there is at most one forwarder.
	single bool
	bind   bool // existing streams and consumers are not changed
	// grace is how long a route of no listener stays active on a cluster.
	grace time.Duration
}

func (o QueueOptions) withDefaults() QueueOptions {
	o.Prefix = orElse(o.Prefix, DefaultPrefix)
	o.MaxBytes = orElse(o.MaxBytes, DefaultMaxBytes)
	o.Keep = orElse(o.Keep, DefaultKeep)
	o.AckTimeout = orElse(o.AckTimeout, DefaultAckTimeout)
	o.AckWait = orElse(o.AckWait, DefaultAckWait)
	o.Replicas = orElse(o.Replicas, 1)
	o.grace = orElse(o.grace, routeGrace)
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	return o
}

func orElse[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// Queue is a stream of events and a stream of dead letters. It is safe for
// concurrent use.
type Queue struct {
	o      QueueOptions
	nc     *nats.Conn
	js     jetstream.JetStream
	events jetstream.Stream
	dead   jetstream.Stream
	// current are the routes. changing is held while they are replaced, and while
	// they are recorded.
	current  atomic.Pointer[[]*route]
	changing sync.Mutex
	// former are the floors of routes that were ended. They are not used on a
	// cluster; under changing.
	former floors
	// record, unless nil, saves the routes and the former ones; under changing.
	record func() error
	// In a store, listening is set if a listener runs it, and remote if it runs in
	// another process.
	listening, remote bool
	// letters are the routes that may have dead letters.
	letters   atomic.Pointer[[]string]
	forgotten bool // a consumer was lost, and with it the position

	// ledger records acknowledged events. It is nil on a cluster.
	ledger *ledger
	// barrier, unless nil, returns why no event can be stored at present.
	barrier func() error
	// heard, unless nil, is called with the result of each publish.
	heard func(err error)
	// lost is set while a stream is missing that was there before.
	lost    atomic.Pointer[error]
	created time.Time // the stream of the events, on a cluster; used by the upkeep only
	// retention is used by the upkeep only; retained, unless nil, saves it.
	retention retention
	retained  func(retention)
	// read, unless nil, returns the position of MarkRead.
	read func() (Position, bool)

	sightings map[string]sighting // of routes on a cluster; used by the upkeep only

	room     sync.Mutex // held while room is made
	full     time.Time  // when making room last failed; under room
	passed   search     // for events that no route needs any more; under room
	needless search     // for events that only routes with Skip need; under room
	counters counters
	snapshot atomic.Pointer[Stats]

	closing context.Context // ends when the queue is closed
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// NewQueue opens the queue on a connection and creates missing streams. Close it
// before the connection. Use nats.ReconnectBufSize(-1) for publishes to fail
// immediately while the connection is down.
func NewQueue(ctx context.Context, nc *nats.Conn, o QueueOptions) (*Queue, error) {
	q, err := newQueue(ctx, nc, o.withDefaults(), positions{})
	if err != nil {
		return nil, err
	}
	q.maintain(nil)
	return q, nil
}

// newQueue opens the queue without its upkeep.
func newQueue(ctx context.Context, nc *nats.Conn, o QueueOptions, known positions) (*Queue, error) {
	for _, r := range o.Routes {
		if err := checkRoute(r); err != nil {
			return nil, fmt.Errorf("open the queue: %w", err)
		}
	}
	js, err := o.jetStream(nc)
	if err != nil {
		return nil, fmt.Errorf("open the queue: %w", err)
	}
	q := &Queue{o: o, nc: nc, js: js, former: maps.Clone(known.floors)}
	q.useRoutes(o.Routes)
	for _, r := range q.routes() {
		delete(q.former, r.name)
	}
	q.closing, q.stop = context.WithCancel(context.Background())
	if err := q.openStreams(ctx); err != nil {
		return nil, err
	}
	if o.single {
		err = q.openRoutes(ctx, known)
	} else {
		err = q.openSharedRoutes(ctx)
	}
	if err != nil {
		return nil, err
	}
	q.counters.dead.Store(int64(q.dead.CachedInfo().State.Msgs))
	return q, nil
}

func (o QueueOptions) jetStream(nc *nats.Conn) (jetstream.JetStream, error) {
	options := []jetstream.JetStreamOpt{
		jetstream.WithPublishAsyncMaxPending(inFlight),
		jetstream.WithPublishAsyncTimeout(o.AckTimeout),
		jetstream.WithDefaultTimeout(o.apiTimeout()),
	}
	switch {
	case o.Domain != "":
		return jetstream.NewWithDomain(nc, o.Domain, options...)
	case o.APIPrefix != "":
		return jetstream.NewWithAPIPrefix(nc, o.APIPrefix, options...)
	}
	return jetstream.New(nc, options...)
}

// apiTimeout limits requests other than publishes.
func (o QueueOptions) apiTimeout() time.Duration { return max(o.AckTimeout, DefaultAckTimeout) }

func (q *Queue) streamName(kind string) string { return streamName(q.o.Prefix, kind) }

func streamName(prefix, kind string) string {
	return strings.ToUpper(strings.ReplaceAll(prefix, ".", "_")) + "_" + kind
}

func (q *Queue) subject(kind, token string) string { return q.o.Prefix + "." + kind + "." + token }

// Close ends the queue's upkeep. The connection stays open.
func (q *Queue) Close() {
	q.stop()
	q.done.Wait()
	q.logGivenUp(time.Now().Add(noticePeriod)) // all that was not logged yet
}
