package listener

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// forwarding is a forwarder and its target.
type forwarding struct {
	*relay.Forwarder
	to *outlet
}

// routesOf returns the routes to targets, and nil for nil.
func routesOf(targets []*outlet) []relay.Route {
	if targets == nil {
		return nil
	}
	routes := make([]relay.Route, len(targets))
	for i, t := range targets {
		routes[i] = t.Route
	}
	return routes
}

// find returns the target of a route, or nil.
func find(targets []*outlet, route string) *outlet {
	for _, t := range targets {
		if t.Route.Name == route {
			return t
		}
	}
	return nil
}

// equals reports whether two targets of a route are known to be the same. Where the
// route began is in the past.
func (o *outlet) equals(other *outlet) bool {
	return o.Settings != nil && reflect.DeepEqual(o.Settings, other.Settings) &&
		o.whenFull() == other.whenFull() && reflect.DeepEqual(o.Forward, other.Forward)
}

func (o *outlet) whenFull() relay.WhenFull { return cmp.Or(o.Route.WhenFull, relay.Refuse) }

// change is a prepared change of an endpoint's targets. Its owner must call either
// function, once.
type change struct {
	// commit makes the change. Attempts to former targets may continue until ctx is
	// done.
	commit func(ctx context.Context)
	undo   func()
}

// undoTime limits how long a route that was added in vain may take to end.
const undoTime = 2 * time.Second

// prepare adds the routes that are new. Until the change is made or undone, no other
// one can begin.
func (s *stored) prepare(ctx context.Context, next []*outlet) (*change, error) {
	s.changing.Lock()
	var undos []func(context.Context) error
	var lines []string
	undo := func() {
		defer s.changing.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), undoTime)
		defer cancel()
		for _, undo := range undos {
			if err := undo(ctx); err != nil {
				s.e.warn("%v", err)
			}
		}
	}
	for _, t := range next {
		if find(s.targets(), t.Route.Name) != nil {
			continue
		}
		start, err := s.queue.AddRoute(ctx, t.Route)
		if err != nil {
			undo()
			return nil, err
		}
		lines = append(lines, describe(t.Route, start))
		undos = append(undos, func(ctx context.Context) error {
			if err := s.queue.EndRoute(ctx, t.Route.Name); err != nil || !start.New {
				return err
			}
			return s.queue.ForgetRoute(ctx, t.Route.Name) // or it would begin here later
		})
	}
	return &change{undo: undo, commit: func(ctx context.Context) {
		defer s.changing.Unlock()
		for _, line := range lines {
			s.e.info("%s", line)
		}
		s.replace(ctx, next)
	}}, nil
}

// replace replaces the targets.
func (s *stored) replace(ctx context.Context, next []*outlet) {
	former := s.targets()
	for i, t := range next {
		if same := find(former, t.Route.Name); same != nil && t.equals(same) {
			_ = t.Close() // nothing was delivered to it
			next[i] = same
		}
	}
	s.wanted.Store(&next)
	if err := s.stopForwarders(ctx, next, "it is forwarded again if its route remains"); err != nil {
		s.e.warn("%v", err)
	}
	for _, t := range former {
		if !slices.Contains(next, t) {
			_ = t.Close() // of a forwarder, it is closed already
		}
		if same := find(next, t.Route.Name); same != nil && same.whenFull() != t.whenFull() {
			_, _ = s.queue.AddRoute(ctx, same.Route) // a route that exists is changed without the server
		}
	}
	if err := s.settle(ctx); err != nil && !s.retrying {
		s.e.warn("a changed route is not forwarding yet, trying again: %v", err)
		s.retrying = true
		s.retries.Go(s.retry)
	}
}

// settle ends the routes without a target, and starts the missing routes and
// forwarders. If the targets are nil, all routes remain, so that their events wait.
func (s *stored) settle(ctx context.Context) error {
	var failed []error
	routes := s.queue.Routes()
	for _, route := range routes {
		if s.targets() != nil && find(s.targets(), route) == nil {
			failed = append(failed, s.queue.EndRoute(ctx, route))
		}
	}
	for _, t := range s.targets() {
		if !slices.Contains(routes, t.Route.Name) {
			_, err := s.queue.AddRoute(ctx, t.Route)
			failed = append(failed, err)
		}
	}
	return errors.Join(append(failed, s.startForwarders())...)
}

// retryPause is the time between attempts to settle.
const retryPause = time.Second

// retry settles after the queue was unavailable.
func (s *stored) retry() {
	for {
		select {
		case <-s.work.Done():
			return
		case <-time.After(retryPause):
		}
		if s.settled() {
			return
		}
	}
}

func (s *stored) settled() bool {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.retrying = s.settle(s.work) != nil
	return !s.retrying
}

// startForwarders starts a forwarder for each target that has none.
func (s *stored) startForwarders() error {
	var failed []error
	for _, t := range s.targets() {
		if _, ok := s.running[t.Route.Name]; ok {
			continue
		}
		o := t.Forward
		o.Route, o.Target = t.Route.Name, t
		o.Observe = func(step relay.Step) { s.observe(step, t) }
		f, err := s.queue.Forward(o)
		if err != nil {
			failed = append(failed, fmt.Errorf("forward to %s: %w", t, err))
			continue
		}
		s.running[t.Route.Name] = forwarding{f, t}
	}
	return errors.Join(failed...)
}

// stopForwarders stops the forwarders except those to the targets to keep, all at the
// same time, since each may use up ctx. aborted says what becomes of an event whose
// attempt was aborted.
func (s *stored) stopForwarders(ctx context.Context, keep []*outlet, aborted string) error {
	var stopping []forwarding
	for route, f := range s.running {
		if !slices.Contains(keep, f.to) {
			stopping = append(stopping, f)
			delete(s.running, route)
		}
	}
	results := make(chan error)
	for _, f := range stopping {
		go func() { results <- f.Stop(ctx) }()
	}
	var failed []error
	isAborted := false
	for range stopping {
		switch err := <-results; {
		case errors.Is(err, context.DeadlineExceeded):
			isAborted = true
		case !errors.Is(err, context.Canceled): // then the caller is not interested
			failed = append(failed, err)
		}
	}
	if isAborted {
		s.e.warn("an event was still being forwarded; %s", aborted)
	}
	return errors.Join(failed...)
}

// observe publishes one step of a forwarder to the hub.
func (s *stored) observe(step relay.Step, t *outlet) {
	switch step.Kind {
	case relay.StepSkipped: // it did not concern the target
	case relay.StepDead:
		s.e.l.hub.publish(DeadLettered{At: time.Now(), ID: step.ID, Type: step.Type, Endpoint: s.e.name, Route: step.Route, Reason: step.Err})
	case relay.StepForwarded:
		s.e.l.hub.publish(Attempted{
			At: time.Now(), ID: step.ID, Type: step.Type, Endpoint: s.e.name, Route: step.Route, Target: t.String(), Attempt: step.Attempt,
			Status: step.Status, Err: step.Err, Duration: step.Duration, Pause: step.Pause, Answer: step.Answer,
		})
	}
}

// describe says where a route begins.
func describe(r relay.Route, start relay.RouteStart) string {
	switch {
	case !start.New && start.Missed > 0:
		return fmt.Sprintf("the route %s is back: it missed %d events that are no longer stored", r.Name, start.Missed)
	case !start.New:
		return fmt.Sprintf("the route %s is back, and continues at its position", r.Name)
	case r.From == relay.FromOldest:
		return fmt.Sprintf("the route %s is new, and begins with the oldest stored event", r.Name)
	}
	return fmt.Sprintf("the route %s is new, and begins with the next event", r.Name)
}
