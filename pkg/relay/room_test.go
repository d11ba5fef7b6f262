package relay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// stuck is a target that accepts every event except one.
type stuck struct{ taken chan string }

func (s stuck) Deliver(_ context.Context, e target.Event) target.Result {
	if e.ID == "stuck" {
		return target.Result{Status: 503, Err: errors.New("not now")}
	}
	s.taken <- e.ID
	return target.Result{Status: 204}
}
func (stuck) String() string { return "stuck" }
func (stuck) Close() error   { return nil }

func TestDeliveredEventsMakeRoomBehindOneThatFails(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %t", restart), func(t *testing.T) {
			dir := t.TempDir()
			app := stuck{make(chan string, 1000)}
			open := func() *Store {
				s := mustOpen(t, StoreOptions{Dir: dir, MaxBytes: 64 << 10, AckWait: 200 * time.Millisecond})
				if _, err := s.Forward(ForwardOptions{Target: app, Concurrency: 4, MinPause: time.Minute}); err != nil {
					t.Fatal(err)
				}
				return s
			}
			s := open()
			mustPublish(t, s.Queue, "stuck", Stored)
			for n := range 60 {
				if restart && n%20 == 10 {
					mustClose(t, s)
					s = open()
				}
				e := testEvent(fmt.Sprint("e", n))
				e.Body = []byte(strings.Repeat("x", 10<<10))
				waitFor(t, e.ID+" is stored", func() bool {
					outcome, _ := s.Publish(t.Context(), e)
					return outcome == Stored
				})
				if id := <-app.taken; id != e.ID {
					t.Fatalf("%s came, not %s", id, e.ID)
				}
			}
			if e, err := s.Show(t.Context(), "stuck"); err != nil || e.State != Waiting {
				t.Errorf("%+v, %v", e, err)
			}
		})
	}
}

// slow is a target that takes an event for each token, and one event never.
type slow struct {
	stuck
	tokens chan struct{}
}

func (s slow) Deliver(ctx context.Context, e target.Event) target.Result {
	if e.ID != "stuck" {
		select {
		case <-s.tokens:
		case <-ctx.Done():
			return target.Result{Err: ctx.Err()}
		}
	}
	return s.stuck.Deliver(ctx, e)
}

// fluent is a target that takes every event.
type fluent struct{ taken chan string }

func (s fluent) Deliver(_ context.Context, e target.Event) target.Result {
	s.taken <- e.ID
	return target.Result{Status: 204}
}
func (fluent) String() string { return "fluent" }
func (fluent) Close() error   { return nil }

// Events make room once all routes have delivered them, and not before, although one
// route is behind an event that fails.
func TestEventsMakeRoomOnceAllRoutesHaveThem(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %t", restart), func(t *testing.T) {
			dir := t.TempDir()
			fast := fluent{make(chan string, 1000)}
			late := slow{stuck{make(chan string, 1000)}, make(chan struct{})}
			open := func() *Store {
				s := mustOpen(t, StoreOptions{Dir: dir, MaxBytes: 64 << 10, AckWait: 200 * time.Millisecond, Routes: named("fast", "late")})
				for route, app := range map[string]target.Target{"fast": fast, "late": late} {
					if _, err := s.Forward(ForwardOptions{Route: route, Target: app, Concurrency: 4, MinPause: 20 * time.Millisecond, MaxPause: 20 * time.Millisecond}); err != nil {
						t.Fatal(err)
					}
				}
				return s
			}
			s := open()
			mustPublish(t, s.Queue, "stuck", Stored)
			for n := range 20 {
				if restart && n%7 == 3 {
					waitFor(t, "deliveries are acknowledged", func() bool {
						status, err := s.Status(t.Context())
						return err == nil && status.Waiting == 1
					})
					mustClose(t, s)
					s = open()
				}
				batch := map[string]bool{}
				for i := range 3 {
					e := testEvent(fmt.Sprintf("e%d-%d", n, i))
					e.Body = []byte(strings.Repeat("x", 10<<10))
					waitFor(t, e.ID+" is stored", func() bool {
						outcome, _ := s.Publish(t.Context(), e)
						return outcome == Stored
					})
					batch[e.ID] = true
				}
				for left := maps.Clone(batch); len(left) > 0; {
					delete(left, <-fast.taken)
				}
				for left := maps.Clone(batch); len(left) > 0; {
					select {
					case late.tokens <- struct{}{}:
					case id := <-late.taken:
						delete(left, id)
					}
				}
			}
			if e, err := s.Show(t.Context(), "stuck"); err != nil || e.State != Waiting {
				t.Errorf("%+v, %v", e, err)
			}
		})
	}
}
