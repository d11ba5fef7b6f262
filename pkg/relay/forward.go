package relay

import (
	"context"
	"errors"
	"fmt"
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

// DefaultDeadOn returns the statuses by which an application refuses an event
// for good: 410, 413 and 422.
func DefaultDeadOn() []int {
	return []int{http.StatusGone, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}
}

// ForwardOptions say where events go, and how hard it is tried.
type ForwardOptions struct {
	// Target is where events are forwarded to. It is closed when forwarding
	// ends.
	Target target.Target
	// Concurrency is how many events are under way at once; 0 means 1, and
	// only with 1 they arrive in the order they were stored in.
	Concurrency int
	// MinPause is the pause after the first failure. It doubles up to
	// MaxPause, less up to half of it at random. A Retry-After of the
	// application's may make a pause longer, up to MaxPause.
	MinPause, MaxPause time.Duration
	// DeadOn are the statuses that make an event a dead letter at once; nil
	// means DefaultDeadOn, empty means none.
	DeadOn []int
	// MaxAttempts makes an event a dead letter after so many; 0 is no end.
	// An attempt that a kill interrupted counts.
	MaxAttempts int
	// MaxAge makes an event a dead letter when it is as old; 0 is no end.
	MaxAge time.Duration
	// Observe is told of each step, from the goroutine that took it: it
	// holds up forwarding while it runs.
	Observe func(Step)
}

// StepKind says what a Step tells of.
type StepKind string

// The kinds.
const (
	StepForwarded StepKind = "forwarded" // an attempt, whichever way it went
	StepDead      StepKind = "dead"      // an event was given up
)

// Step is one step in an event's way to the application.
type Step struct {
	Kind     StepKind
	ID, Type string
	Sequence uint64
	Attempt  int           // counts from 1, over restarts
	Status   int           // 0 where no answer came
	Duration time.Duration // until the answer's headers; 0 for StepDead
	Err      error         // nil for a success; for StepDead why it was given up
	Pause    time.Duration // until the next attempt; 0 where there is none
}

// Forwarder hands a queue's events to an application.
type Forwarder struct {
	q      *Queue
	o      ForwardOptions
	target target.Target

	take  context.Context // ends when no more is to be taken
	stop  context.CancelFunc
	work  context.Context // ends when what is under way is to be given back
	abort context.CancelFunc
	done  chan struct{}

	tracker tracker
}

// Forward begins to hand events on. A queue of this process can have one
// forwarder. The error says what is wrong with the options, or with the queue.
func (q *Queue) Forward(o ForwardOptions) (*Forwarder, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("forward events: %w", err)
	}
	f := &Forwarder{q: q, o: o, target: o.Target, done: make(chan struct{})}
	if !q.forwarder.CompareAndSwap(nil, f) {
		return nil, errors.New("forward events: this queue is forwarded already")
	}
	f.take, f.stop = context.WithCancel(context.Background())
	f.work, f.abort = context.WithCancel(context.Background())
	if err := f.start(); err != nil {
		f.stop()
		f.abort()
		q.forwarder.Store(nil)
		return nil, fmt.Errorf("forward events: %w", err)
	}
	return f, nil
}

func (o *ForwardOptions) check() error {
	switch {
	case o.Target == nil:
		return errors.New("no target")
	case o.Concurrency < 0 || o.MaxAttempts < 0 || o.MaxAge < 0:
		return errors.New("concurrency, attempts and age can't be negative")
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

// parked is how many events per worker may wait for their next attempt while
// others pass, where order was given up.
const parked = 4

// ackPending is how many events the stream hands out before it hears what
// became of them. With 1, the next comes when the one before is settled.
func ackPending(concurrency int) int {
	if concurrency == 1 {
		return 1
	}
	return concurrency * parked
}

func (f *Forwarder) start() error {
	ctx, cancel := context.WithTimeout(f.work, f.q.o.apiTimeout())
	defer cancel()
	pending := ackPending(f.o.Concurrency)
	info, err := f.q.consumer().Info(ctx)
	if err != nil {
		return openError(err)
	}
	// Only a change is written: on a full disk it could not be.
	if config := info.Config; config.MaxAckPending != pending || config.AckWait != f.q.o.AckWait {
		config.MaxAckPending, config.AckWait = pending, f.q.o.AckWait
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
		_ = status.Unsubscribe() // fails only where the connection is gone
		_ = f.target.Close()     // nothing is lost with it
		close(f.done)
	}()
	return nil
}

// Stop ends forwarding: nothing more is taken, and what is under way is
// finished. When ctx ends first, it is broken off, and forwarded again later;
// the error is then ctx's.
func (f *Forwarder) Stop(ctx context.Context) error {
	f.stop()
	defer f.q.forwarder.CompareAndSwap(f, nil)
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
