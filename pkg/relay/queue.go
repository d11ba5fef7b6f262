package relay

import (
	"context"
	"fmt"
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
	consumerName = "forward"
	// eventsDescription marks a stream that was made here, and whose window of
	// duplicates is looked after. Servers of every version keep it.
	eventsDescription = "Mender's webhook events, waiting or delivered"
	// inFlight bounds the publishes that wait for their acknowledgement, and
	// so the memory they take; beyond it they are refused.
	inFlight  = 8192
	stallWait = time.Second
)

// QueueOptions are the settings of a Queue. The zero value is the default of each.
type QueueOptions struct {
	// Prefix begins every subject, and names the streams: mender gives
	// mender.events.<type> in MENDER_EVENTS. Dots may part it.
	Prefix string
	// MaxBytes is what may wait, in bytes with headers, and also all that
	// the events take on the disk: what was delivered makes room. The dead
	// letters may take as much again. A stream that exists on a cluster keeps
	// its own limit; a Store's is changed to this.
	MaxBytes int64
	// Keep is how long delivered events are retained for deduplication, from
	// their delivery on.
	Keep time.Duration
	// AckTimeout is how long Publish takes at most to hear from the stream.
	AckTimeout time.Duration
	// AckWait is how soon an event is taken over from a process that died.
	AckWait time.Duration
	// Replicas is for a stream that does not exist yet; 0 means 1.
	Replicas int
	// Domain is the cluster's JetStream domain, and APIPrefix the subject under
	// which its API is exported to this account; most have neither.
	Domain, APIPrefix string
	// Logf is told what happened to the queue as a whole; nil drops it.
	Logf Logf

	// single says that the server is this module's own: the streams are too,
	// and there is one forwarder at most.
	single bool
	bind   bool // streams that exist are left as they are
}

func (o QueueOptions) withDefaults() QueueOptions {
	o.Prefix = orElse(o.Prefix, DefaultPrefix)
	o.MaxBytes = orElse(o.MaxBytes, DefaultMaxBytes)
	o.Keep = orElse(o.Keep, DefaultKeep)
	o.AckTimeout = orElse(o.AckTimeout, DefaultAckTimeout)
	o.AckWait = orElse(o.AckWait, DefaultAckWait)
	o.Replicas = orElse(o.Replicas, 1)
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

// Queue is a stream of events with the letters that died. It is safe for
// concurrent use.
type Queue struct {
	o      QueueOptions
	nc     *nats.Conn
	js     jetstream.JetStream
	events jetstream.Stream
	dead   jetstream.Stream
	cons   atomic.Pointer[jetstream.Consumer]
	// resume is where a queue without a consumer begins, if it is only looked at.
	resume    uint64
	forgotten bool // the consumer was lost, and with it what was forwarded

	// ledger, in a Store, notes what was acknowledged.
	ledger *ledger
	// barrier, where it is set, says why nothing can be stored at present.
	barrier func() error
	// heard, where it is set, is told how each publish ended.
	heard func(err error)
	// lost is set while a stream is missing that was there before.
	lost  atomic.Pointer[error]
	known known // used by the upkeep only
	// retention is used by the upkeep only; retained, where it is set, saves it.
	retention retention
	retained  func(retention)

	room      sync.Mutex // held while room is made
	full      time.Time  // when none could be made the last time; under room
	reached   uint64     // events up to here were removed, or are among the skipped; under room
	skipped   []uint64   // events that were not delivered yet when others were removed; under room
	forwarder atomic.Pointer[Forwarder]
	counters  counters
	snapshot  atomic.Pointer[Stats]

	closing context.Context // ends when the queue is closed
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// NewQueue opens the queue behind a connection, and makes its streams where
// they are missing. Close it before the connection. For publishes to be
// refused at once while the connection is down, make it with
// nats.ReconnectBufSize(-1).
func NewQueue(ctx context.Context, nc *nats.Conn, o QueueOptions) (*Queue, error) {
	q, err := newQueue(ctx, nc, o.withDefaults(), 0)
	if err != nil {
		return nil, err
	}
	q.maintain(nil)
	return q, nil
}

// newQueue opens the queue without its upkeep. All up to resume is known to be
// forwarded.
func newQueue(ctx context.Context, nc *nats.Conn, o QueueOptions, resume uint64) (*Queue, error) {
	js, err := o.jetStream(nc)
	if err != nil {
		return nil, fmt.Errorf("open the queue: %w", err)
	}
	q := &Queue{o: o, nc: nc, js: js}
	q.closing, q.stop = context.WithCancel(context.Background())
	if err := q.openStreams(ctx); err != nil {
		return nil, err
	}
	if o.single {
		err = q.openConsumer(ctx, resume)
	} else {
		err = q.openShared(ctx)
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

// apiTimeout is for a question about the queue, for which nobody waits as
// Mender does.
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
}
