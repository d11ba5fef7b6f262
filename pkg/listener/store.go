package listener

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// stored stores events in a queue, from which they are forwarded.
type stored struct {
	l          *Listener
	queue      *relay.Queue
	release    func() error
	forwarders []*relay.Forwarder

	final atomic.Pointer[relay.Stats] // set when the queue is about to be closed

	stopRecovery context.CancelFunc
	recovered    <-chan struct{} // closed when Recover has finished; nil without Recover
}

func (l *Listener) openStore(ctx context.Context) (sink, error) {
	o := *l.o.Store
	o.Routes = l.o.routes()
	store, err := relay.Open(ctx, o)
	if err != nil {
		return nil, &StoreError{Err: err}
	}
	r := store.Recovery()
	if r.Waiting > 0 || r.Dead > 0 {
		l.o.Info("in the store: %d waiting, %d dead letters", r.Waiting, r.Dead)
	}
	return &stored{l: l, queue: store.Queue, release: store.Close}, nil
}

// accept answers with 204 once the event is stored or found to be a duplicate,
// and with 503 otherwise, so that Mender logs a success only for stored events.
func (s *stored) accept(ctx context.Context, r *receiver.Request) receiver.Answer {
	outcome, err := s.queue.Publish(ctx, relay.Event{ID: r.ID, Type: string(r.Type), Header: r.Header, Body: r.Body})
	switch outcome {
	case relay.Stored:
		return receiver.Answer{}
	case relay.Duplicate:
		return receiver.Answer{Duplicate: true, Header: http.Header{target.HeaderDuplicate: {"1"}}}
	}
	return unavailable(err)
}

func (s *stored) start(ctx context.Context) error {
	if s.l.o.Recover != nil {
		ctx, s.stopRecovery = context.WithCancel(ctx)
		var err error
		if s.recovered, err = s.l.o.Recover(ctx, s.queue); err != nil {
			return err
		}
	}
	for _, t := range s.l.o.Targets {
		o := s.l.o.Forward
		o.Route, o.Target = t.Route, t.Target
		o.Observe = func(step relay.Step) { s.observe(step, t) }
		forwarder, err := s.queue.Forward(o)
		if err != nil {
			return fmt.Errorf("forward to %s: %w", t, err)
		}
		s.forwarders = append(s.forwarders, forwarder)
	}
	return nil
}

// observe publishes one step of a forwarder to the hub.
func (s *stored) observe(step relay.Step, t Target) {
	switch step.Kind {
	case relay.StepForwarded:
	case relay.StepSkipped:
		return // it did not concern the target
	case relay.StepDead:
		s.l.hub.publish(DeadLettered{At: time.Now(), ID: step.ID, Type: step.Type, Route: step.Route, Reason: step.Err})
		return
	}
	s.l.hub.publish(Attempted{
		At: time.Now(), ID: step.ID, Type: step.Type, Route: step.Route, Target: t.String(), Attempt: step.Attempt,
		Status: step.Status, Err: step.Err, Duration: step.Duration, Pause: step.Pause, Answer: step.Answer,
	})
}

// ready asks the queue whether it can store events, for at most one second.
func (s *stored) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return s.queue.Ready(ctx)
}

func (s *stored) stats() (relay.Stats, bool) {
	if final := s.final.Load(); final != nil {
		return *final, true
	}
	return s.queue.Stats(), true
}

// lastLook limits how long to read the state of the queue before it is closed.
const lastLook = 300 * time.Millisecond

func (s *stored) relayQueue() *relay.Queue { return s.queue }

func (s *stored) close(ctx context.Context) error {
	if s.stopRecovery != nil {
		s.stopRecovery()
	}
	if s.recovered != nil {
		<-s.recovered
	}
	err := s.stop(ctx)
	look, cancel := context.WithTimeout(ctx, lastLook)
	defer cancel()
	_ = s.queue.Refresh(look) // otherwise, the figures are a second old
	final := s.queue.Stats()
	s.final.Store(&final)
	return errors.Join(err, s.release())
}

// stop stops all forwarders at the same time, since each may use up ctx.
func (s *stored) stop(ctx context.Context) error {
	results := make(chan error)
	for _, f := range s.forwarders {
		go func() { results <- f.Stop(ctx) }()
	}
	var failed []error
	aborted := false
	for range s.forwarders {
		err := <-results
		if errors.Is(err, context.DeadlineExceeded) {
			aborted = true
			continue
		}
		failed = append(failed, err)
	}
	if aborted {
		s.l.o.Warn("an event was still being forwarded; it will be forwarded again after the next start")
	}
	return errors.Join(failed...)
}
