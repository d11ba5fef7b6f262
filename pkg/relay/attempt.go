package relay

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// handle delivers one event, or settles it without an attempt.
func (f *Forwarder) handle(msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		return // not from a consumer, so it cannot be acknowledged
	}
	seq := meta.Sequence.Stream
	switch f.tracker.begin(seq, meta.Timestamp) {
	case inProgress: // redelivered after AckWait, but another worker still has it
		return
	case settled: // the acknowledgement was lost
		f.ack(msg)
		return
	}
	if route := msg.Headers().Get(headerRoute); route != "" && route != f.route.name {
		f.tracker.settle(seq, meta.Timestamp)
		f.ack(msg)
		return
	}
	entry := newEntry(msg.Subject(), msg.Headers(), msg.Data(), seq, meta.Timestamp)
	entry.Attempts = int(meta.NumDelivered)
	defer f.keepAlive(msg)()
	if entry.Attempts > 1 && f.isDeadLetter(msg) {
		f.settle(msg, entry)
		return
	}
	if f.tooOld(entry) {
		f.expire(msg, entry)
	} else {
		f.attempt(msg, entry)
	}
}

// expire makes an event a dead letter that is too old, unless the target does not want
// it.
func (f *Forwarder) expire(msg jetstream.Msg, e Entry) {
	if s, ok := f.target.(target.Selective); ok {
		if r := s.Select(f.work, eventOf(e)); r.Skipped && f.work.Err() == nil {
			f.skip(msg, e, r)
			return
		}
	}
	e.Attempts-- // the consumer delivered it, but it was not forwarded
	f.deadLetter(msg, e, 0, errTooOld)
}

func eventOf(e Entry) target.Event {
	return target.Event{ID: e.ID, Type: e.Type, Header: e.Header, Body: e.Body}
}

func (f *Forwarder) attempt(msg jetstream.Msg, e Entry) {
	a := f.target.Deliver(f.work, eventOf(e))
	if a.Err != nil && f.work.Err() != nil {
		f.tracker.release(e.Sequence)
		_ = msg.Nak() // if it is lost, AckWait has the same effect
		return
	}
	if a.Skipped {
		f.skip(msg, e, a)
		return
	}
	step := Step{
		Kind: StepForwarded, Route: f.route.name, ID: e.ID, Type: e.Type, Sequence: e.Sequence,
		Attempt: e.Attempts, Status: a.Status, Duration: a.Duration, Err: a.Err, Answer: a.Answer,
	}
	f.q.counters.forwarded(a)
	if a.Err == nil {
		f.settle(msg, e)
		f.o.Observe(step)
		return
	}
	if why := f.giveUp(e, a); why != nil {
		f.o.Observe(step)
		f.deadLetter(msg, e, a.Status, why)
		return
	}
	step.Pause = f.pause(e, a)
	f.tracker.fail(msg, e, a.Err, time.Now().Add(step.Pause))
	_ = msg.NakWithDelay(step.Pause) // if it is lost, the event is retried after AckWait
	f.o.Observe(step)
}

// skip settles an event that the target does not want. There was no attempt to count.
func (f *Forwarder) skip(msg jetstream.Msg, e Entry, a target.Result) {
	e.Attempts--
	counters := f.q.counters.route(f.route.name)
	switch {
	case a.Err == nil:
		counters.skipped.Add(1)
	case a.Permanent:
		counters.filterErrors.Add(1)
		f.deadLetter(msg, e, 0, a.Err)
		return
	default:
		counters.filterErrors.Add(1)
		f.q.o.Logf("the route %s skips event %q: %v", f.route.name, e.ID, a.Err)
	}
	f.settle(msg, e)
	f.o.Observe(Step{Kind: StepSkipped, Route: f.route.name, ID: e.ID, Type: e.Type, Sequence: e.Sequence, Attempt: e.Attempts, Err: a.Err})
}

func (f *Forwarder) settle(msg jetstream.Msg, e Entry) {
	f.tracker.settle(e.Sequence, e.Stored)
	f.ack(msg)
}

var errTooOld = errors.New("the event exceeded its maximum age")

func (f *Forwarder) tooOld(e Entry) bool {
	return f.o.MaxAge > 0 && time.Since(e.Stored) >= f.o.MaxAge
}

// giveUp returns why a failed event is not retried, or nil.
func (f *Forwarder) giveUp(e Entry, a target.Result) error {
	switch {
	case a.Permanent || slices.Contains(f.o.DeadOn, a.Status):
		return fmt.Errorf("the application refused it: %w", a.Err)
	case f.o.MaxAttempts > 0 && e.Attempts >= f.o.MaxAttempts:
		return fmt.Errorf("it failed %d times, most recently: %w", e.Attempts, a.Err)
	case f.tooOld(e):
		return fmt.Errorf("%w, and failed: %w", errTooOld, a.Err)
	}
	return nil
}

// pause returns how long to wait after a failure. It ends no later than MaxAge, so
// that an event becomes a dead letter in time. An event that is already older, but
// could not be moved to the dead letters, waits as long as any other.
func (f *Forwarder) pause(e Entry, a target.Result) time.Duration {
	pause := f.o.MaxPause
	if shift := max(e.Attempts-1, 0); shift < 20 && f.o.MinPause<<shift < pause {
		pause = f.o.MinPause << shift
	}
	pause -= rand.N(pause/2 + 1)
	pause = max(pause, min(a.RetryAfter, f.o.MaxPause))
	if left := f.o.MaxAge - time.Since(e.Stored); f.o.MaxAge > 0 && left > 0 {
		pause = min(pause, left)
	}
	return max(pause, time.Millisecond)
}

// keepAlive keeps the consumer from redelivering an event until end is called.
func (f *Forwarder) keepAlive(msg jetstream.Msg) (end func()) {
	period := f.q.o.AckWait / 3
	var mu sync.Mutex
	var timer *time.Timer
	ended := false
	beat := func() {
		mu.Lock()
		defer mu.Unlock()
		if !ended {
			_ = msg.InProgress() // the next one may succeed
			timer.Reset(period)
		}
	}
	mu.Lock()
	timer = time.AfterFunc(period, beat)
	mu.Unlock()
	return func() {
		mu.Lock()
		defer mu.Unlock()
		ended = true
		timer.Stop()
	}
}
