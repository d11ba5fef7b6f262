package relay

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

func TestAnEventPastItsAgeIsRetriedAtTheOrdinaryPace(t *testing.T) {
	f := &Forwarder{o: ForwardOptions{MinPause: time.Second, MaxPause: time.Minute, MaxAge: time.Hour}}
	for name, test := range map[string]struct {
		attempts  int
		age       time.Duration
		low, high time.Duration
	}{
		"never tried":              {0, 2 * time.Hour, 500 * time.Millisecond, time.Second},
		"tried once":               {1, 2 * time.Hour, 500 * time.Millisecond, time.Second},
		"tried often":              {100, 2 * time.Hour, 30 * time.Second, time.Minute},
		"just about to be too old": {100, time.Hour - 10*time.Second, 0, 10 * time.Second},
	} {
		e := Entry{Attempts: test.attempts, Stored: time.Now().Add(-test.age)}
		if got := f.pause(e, target.Result{}); got < test.low || got > test.high {
			t.Errorf("%s: paused for %s", name, got)
		}
	}
}

// Without room for dead letters, an event older than --max-age stays in the queue.
func TestAnEventPastItsAgeWaitsForRoomAmongTheDeadLetters(t *testing.T) {
	s, err := Open(t.Context(), StoreOptions{Dir: t.TempDir(), Logf: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	room := func(bytes int64) {
		config := s.dead.CachedInfo().Config
		config.MaxBytes = bytes
		if _, err := s.js.UpdateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	room(1)
	mustPublish(t, s.Queue, "a", Stored)
	dead := make(chan Step, 1)
	f, err := s.Forward(ForwardOptions{
		Target: never{t}, MaxAge: time.Nanosecond, MinPause: 4 * time.Hour,
		Observe: func(step Step) { dead <- step },
	})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "it is waiting for its next attempt", func() bool { _, b := f.tracker.state(); return b != nil })
	if _, b := f.tracker.state(); time.Until(b.Next) < time.Hour {
		t.Errorf("the next attempt is at %s", b.Next)
	}
	room(DefaultMaxBytes)
	if err := s.Retry(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if step := <-dead; step.Kind != StepDead || !errors.Is(step.Err, errTooOld) {
		t.Errorf("%+v", step)
	}
}

// never is a target that fails the test if an event reaches it.
type never struct{ t *testing.T }

func (n never) Deliver(context.Context, target.Event) target.Result {
	n.t.Error("an event that was too old from the first was sent")
	return target.Result{}
}
func (never) String() string { return "never" }
func (never) Close() error   { return nil }

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}
