package relay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// Defaults of ForwardOptions.
const (
	DefaultMinPause = 500 * time.Millisecond
	DefaultMaxPause = 30 * time.Second
)

// DefaultDeadOn returns the statuses that refuse an event permanently: 410, 413
// and 422.
func DefaultDeadOn() []int {
	return []int{http.StatusGone, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}
}

// ForwardOptions configure a Forwarder: where events go, and when they are
// retried. The zero value of each field except Target is its default.
type ForwardOptions struct {
	// Route is one of the queue's routes; empty means DefaultRoute.
	Route string
	// Target is where events are forwarded to. It is closed when forwarding
	// ends.
	Target target.Target
	// Concurrency is how many events are delivered at the same time; 0 means 1.
	// Only 1 preserves the stored order.
	Concurrency int
	// MinPause is the pause after the first failure. It doubles up to
	// MaxPause, and a random part of up to half is subtracted. The target may
	// ask for a longer pause, up to MaxPause.
	MinPause, MaxPause time.Duration
	// DeadOn lists the statuses that make an event a dead letter immediately;
	// nil means DefaultDeadOn, empty means none.
	DeadOn []int
	// MaxAttempts is the number of failed attempts after which an event becomes a
	// dead letter; 0 means never. Attempts that ended because the process was
	// killed count.
	MaxAttempts int
	// MaxAge is the time since storing after which an event becomes a dead
	// letter; 0 means never.
	MaxAge time.Duration
	// Observe is called for each step, by the goroutine that took it, which
	// waits until it returns.
	Observe func(Step)
}

// ErrNoRoute reports a route that the queue does not have.
var ErrNoRoute = errors.New("no such route")

// StepKind is the kind of a Step.
type StepKind string

// The kinds.
const (
	StepForwarded StepKind = "forwarded" // an attempt, successful or not
	StepDead      StepKind = "dead"      // an event became a dead letter
	StepSkipped   StepKind = "skipped"   // the target did not want an event
)

// Step is an attempt to deliver an event, or its end without a further attempt.
type Step struct {
	Kind     StepKind
	Route    string
	ID, Type string
	Sequence uint64
	Attempt  int           // counts from 1, across restarts
	Status   int           // 0 if there was no answer
	Duration time.Duration // until the answer's headers; 0 without an attempt
	Err      error         // nil for a success; for StepDead the reason
	Pause    time.Duration // until the next attempt; 0 if there is none
	// Answer is the application's answer if the target keeps it; nil otherwise.
	Answer *target.Answer
}

// Forwarder delivers the events of a queue to the target of a route.
type Forwarder struct {
	q      *Queue
	route  *route
	o      ForwardOptions
	target target.Target

	take  context.Context // ends when no further event may be taken
	stop  context.CancelFunc
	work  context.Context // ends when attempts in progress must be aborted
	abort context.CancelFunc
	done  chan struct{}

	tracker tracker
}

// Forward starts forwarding events to o.Target, until Stop is called. A route can have
// one forwarder per process. Forward returns an error if the options are invalid or the
// queue is not usable.
func (q *Queue) Forward(o ForwardOptions) (*Forwarder, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("forward events: %w", err)
	}
	f := &Forwarder{q: q, o: o, target: o.Target, done: make(chan struct{})}
	if err := f.takeRoute(); err != nil {
		return nil, fmt.Errorf("forward events: %w", err)
	}
	f.take, f.stop = context.WithCancel(context.Background())
	f.work, f.abort = context.WithCancel(context.Background())
	if err := f.start(); err != nil {
		f.stop()
		f.abort()
		f.route.forwarder.Store(nil)
		return nil, fmt.Errorf("forward events: %w", err)
	}
	return f, nil
}

// takeRoute makes f the forwarder of its route.
func (f *Forwarder) takeRoute() error {
	q := f.q
	q.changing.Lock()
	defer q.changing.Unlock()
	f.route = q.route(f.o.Route)
	if f.route == nil {
		if err := q.adopt(orElse(f.o.Route, DefaultRoute)); err != nil {
			return err
		}
		f.route = q.route(f.o.Route)
	}
	switch {
	case f.route == nil:
		return fmt.Errorf("%w: %s", ErrNoRoute, f.o.Route)
	case !f.route.forwarder.CompareAndSwap(nil, f):
		return fmt.Errorf("the route %s already has a forwarder", f.route.name)
	}
	return nil
}

func (o *ForwardOptions) check() error {
	switch {
	case o.Target == nil:
		return errors.New("no target")
	case o.Concurrency < 0 || o.MaxAttempts < 0 || o.MaxAge < 0:
		return errors.New("concurrency, attempts and age must not be negative")
	}
	o.Concurrency = orElse(o.Concurrency, 1)
	o.MinPause = orElse(o.MinPause, DefaultMinPause)
	o.MaxPause = max(orElse(o.MaxPause, DefaultMaxPause), o.MinPause)
	if o.DeadOn == nil {
		o.DeadOn = DefaultDeadOn()
	}
	if o.Observe == nil {
		o.Observe = func(Step) {}
	}
	return nil
}

// pausedPerWorker limits the unacknowledged events per worker. Failed events count while
// they wait for their next attempt and later ones are delivered. It applies only to a
// concurrency above 1.
const pausedPerWorker = 4

// ackPending returns how many unacknowledged events the consumer may have.
func ackPending(concurrency int) int {
	if concurrency == 1 {
		return 1
	}
	return concurrency * pausedPerWorker
}

func (f *Forwarder) start() error {
	ctx, cancel := context.WithTimeout(f.work, f.q.o.apiTimeout())
	defer cancel()
	pending := ackPending(f.o.Concurrency)
	info, err := f.route.consumer().Info(ctx)
	if err != nil {
		return openError(err)
	}
	// A full disk must not prevent a start that changes nothing.
	metadata := f.route.describe(info.Config.Metadata)
	if config := info.Config; config.MaxAckPending != pending || config.AckWait != f.q.o.AckWait || !maps.Equal(config.Metadata, metadata) {
		config.MaxAckPending, config.AckWait, config.Metadata = pending, f.q.o.AckWait, metadata
		if _, err = f.q.events.UpdateConsumer(ctx, config); err != nil {
			return openError(err)
		}
	}
	status, err := f.q.serveStatus(f)
	if err != nil {
		return err
	}
	var workers sync.WaitGroup
	for range f.o.Concurrency {
		workers.Go(f.run)
	}
	go func() {
		workers.Wait()
		f.abort()
		_ = status.Unsubscribe() // fails only without a connection
		_ = f.target.Close()     // a failure loses no events
		close(f.done)
	}()
	return nil
}

// Stop stops forwarding and waits for attempts in progress. If ctx ends first, it
// aborts them and returns ctx's error. Their events are forwarded again later.
func (f *Forwarder) Stop(ctx context.Context) error {
	f.stop()
	defer f.route.forwarder.CompareAndSwap(f, nil)
	select {
	case <-f.done:
		f.abort()
		return nil
	case <-ctx.Done():
		f.abort()
		<-f.done
		return context.Cause(ctx)
	}
}
