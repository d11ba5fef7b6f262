package relay

import (
	"context"
	"errors"
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
	DefaultAckTimeout = 5 * time.Second
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
	// Keep is how long delivered events stay, against repeats.
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
	cons   jetstream.Consumer

	// durable and durableDead, where they are set, wait until what the streams
	// acknowledged is on the disk.
	durable, durableDead func(context.Context) error
	// barrier, where it is set, says why nothing can be stored at present.
	barrier func() error

	room      sync.Mutex // held while room is made
	full      time.Time  // when none could be made the last time; under room
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

func (q *Queue) openStreams(ctx context.Context) error {
	var err error
	q.events, err = q.openStream(ctx, jetstream.StreamConfig{
		Name:        q.streamName("EVENTS"),
		Description: eventsDescription,
		Subjects:    []string{q.subject("events", "*")},
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		Discard:     jetstream.DiscardNew,
		MaxBytes:    q.o.MaxBytes,
		Duplicates:  minWindow,
		Replicas:    q.o.Replicas,
		AllowDirect: true,
	})
	if err != nil {
		return err
	}
	q.dead, err = q.openStream(ctx, jetstream.StreamConfig{
		Name:              q.streamName("DEAD"),
		Description:       "Mender's webhook events that were given up",
		Subjects:          []string{q.subject("dead", "*")},
		Retention:         jetstream.LimitsPolicy,
		Storage:           jetstream.FileStorage,
		Discard:           jetstream.DiscardNew,
		MaxBytes:          q.o.MaxBytes,
		MaxMsgsPerSubject: 1,
		Replicas:          q.o.Replicas,
		AllowDirect:       true,
	})
	return err
}

// openStream makes a stream, or looks whether one that exists fits. Only that
// of an own server is changed.
func (q *Queue) openStream(ctx context.Context, want jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := q.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) && q.o.bind && !q.o.single {
		return nil, fmt.Errorf("%w: %s", ErrNoStream, want.Name)
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = q.js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another listener was faster
			stream, err = q.js.Stream(ctx, want.Name)
		}
		if isNoRoom(err) {
			return nil, fmt.Errorf("%w for the stream %s: %d servers with %d MiB each, as each of the two streams reserves: %w",
				ErrNoRoom, want.Name, want.Replicas, want.MaxBytes>>20, err)
		}
	}
	if err == nil {
		have := stream.CachedInfo().Config
		if wrong := misfits(have, want); len(wrong) > 0 {
			return nil, fmt.Errorf("%w: stream %s: %s", ErrMisfit, want.Name, strings.Join(wrong, "; "))
		}
		q.note(have, want)
		if q.o.single && !q.o.bind && (have.MaxBytes != want.MaxBytes || have.Discard != want.Discard) {
			have.MaxBytes, have.Discard = want.MaxBytes, want.Discard
			stream, err = q.js.UpdateStream(ctx, have)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open the stream %s: %w", want.Name, openError(err))
	}
	return stream, nil
}

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

// Close ends the queue's upkeep. The connection stays open.
func (q *Queue) Close() {
	q.stop()
	q.done.Wait()
}
