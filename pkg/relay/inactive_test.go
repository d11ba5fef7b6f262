package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// patient is a target whose deliveries take until leave is closed.
type patient struct {
	taken chan string
	leave chan struct{}
}

func (p patient) Deliver(ctx context.Context, e target.Event) target.Result {
	p.taken <- e.ID
	select {
	case <-p.leave:
		return target.Result{Status: 204}
	case <-ctx.Done():
		return target.Result{Err: ctx.Err()}
	}
}
func (patient) String() string { return "patient" }
func (patient) Close() error   { return nil }

// spoken collects log messages.
type spoken struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *spoken) logf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(&s.b, format+"\n", args...)
}

func (s *spoken) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.b.String(), text)
}

// member opens a queue as one of several listeners. The test makes its upkeep look.
func member(t *testing.T, nc *nats.Conn, o QueueOptions) *Queue {
	t.Helper()
	q, err := newQueue(t.Context(), nc, o.withDefaults(), positions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return q
}

func stateOf(t *testing.T, q *Queue, name string) RouteState {
	t.Helper()
	infos, err := q.RouteInfos(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		if info.Name == name {
			return info.State
		}
	}
	return ""
}

func floorOf(t *testing.T, q *Queue) uint64 {
	t.Helper()
	_, p, err := q.status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p.floor
}

func looks(t *testing.T, q *Queue, n int) {
	t.Helper()
	for range n {
		q.look(t.Context(), nil)
	}
}

// forwardAll forwards the events of a route, and waits until all are delivered.
func forwardAll(t *testing.T, q *Queue, route string, want ...string) *Forwarder {
	t.Helper()
	app := fluent{make(chan string, 1000)}
	f, err := q.Forward(ForwardOptions{Route: route, Target: app})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Stop(t.Context()) })
	for _, id := range want {
		if got := <-app.taken; got != id {
			t.Errorf("route %s got %s, not %s", route, got, id)
		}
	}
	for {
		if info, err := f.route.info(t.Context()); err == nil && info.NumAckPending == 0 && info.NumPending == 0 && info.NumWaiting > 0 {
			return f
		}
	}
}

// Of several listeners, one has the route b. Events are retained for it while that listener
// restarts, and no longer once it has been away for too long.
func TestRouteOfAListenerThatIsAway(t *testing.T) {
	_, nc := connectToServer(t)
	said := &spoken{}
	const tiny = 1 // nanosecond: two looks are enough
	first := member(t, nc, QueueOptions{Routes: named("a"), Logf: said.logf, grace: tiny})
	second := member(t, nc, QueueOptions{Routes: named("a", "b")})
	third := member(t, nc, QueueOptions{Routes: named("a")})
	mustPublish(t, first, "1", Stored)
	forwardAll(t, first, "a", "1")
	f := forwardAll(t, second, "b", "1")

	// It waits for events.
	looks(t, first, 3)
	if got := stateOf(t, third, "b"); got != RouteActive {
		t.Errorf("b is %s", got)
	}
	// It is restarting.
	if err := f.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	second.Close()
	mustPublish(t, first, "2", Stored)
	looks(t, third, 10)
	if got := stateOf(t, third, "b"); got != RouteAway || floorOf(t, third) != 1 {
		t.Errorf("b is %s, the floor %d", got, floorOf(t, third))
	}
	second = member(t, nc, QueueOptions{Routes: named("a", "b")})
	f = forwardAll(t, second, "b", "2")

	// It stays away.
	if err := f.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	second.Close()
	mustPublish(t, first, "3", Stored)
	mustPublish(t, first, "4", Stored)
	first.sightings = nil
	looks(t, first, 2)
	if !said.has("no listener has had the route b") {
		t.Errorf("it said %s", said.b.String())
	}
	for first.waits("a") > 0 {
	}
	if got := stateOf(t, third, "b"); got != RouteInactive || floorOf(t, third) != 4 {
		t.Errorf("b is %s, the floor %d", got, floorOf(t, third))
	}
	if status, err := first.Status(t.Context()); err != nil || status.Waiting != 0 || len(status.Routes) != 1 {
		t.Errorf("%+v, %v", status, err)
	}

	// It returns, after an event was removed.
	if err := first.purge(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	again := &spoken{}
	second = member(t, nc, QueueOptions{Routes: named("a", "b"), Logf: again.logf})
	if !again.has("the route b continues, but has missed 1 events") {
		t.Errorf("it said %s", again.b.String())
	}
	mustPublish(t, first, "5", Stored)
	if got := stateOf(t, second, "b"); got != RouteActive || floorOf(t, third) >= 5 {
		t.Errorf("b is %s, the floor %d", got, floorOf(t, third))
	}
	forwardAll(t, second, "b", "4", "5")
}

// waits returns how many events wait for a route.
func (q *Queue) waits(name string) uint64 {
	info, err := q.route(name).info(q.closing)
	if err != nil {
		return 0
	}
	return info.NumPending + uint64(info.NumAckPending)
}

// A listener whose attempt takes longer than the grace time keeps its route.
func TestRouteWithASlowTargetStaysActive(t *testing.T) {
	_, nc := connectToServer(t)
	first := member(t, nc, QueueOptions{Routes: named("a"), grace: 1})
	second := member(t, nc, QueueOptions{Routes: named("b")})
	slow := patient{make(chan string, 10), make(chan struct{})}
	f, err := second.Forward(ForwardOptions{Route: "b", Target: slow})
	if err != nil {
		t.Fatal(err)
	}
	mustPublish(t, first, "1", Stored)
	<-slow.taken
	looks(t, first, 4)
	if info, err := second.route("b").info(t.Context()); err != nil || info.NumWaiting != 0 || info.Config.Description != activeText {
		t.Errorf("%+v, %v", info, err)
	}
	close(slow.leave)
	if err := f.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A process without targets stores events for listeners that are away, however long.
func TestStoringListenerMakesNoRouteInactive(t *testing.T) {
	_, nc := connectToServer(t)
	second := member(t, nc, QueueOptions{Routes: named("a")})
	storing := member(t, nc, QueueOptions{grace: 1})
	second.Close()
	mustPublish(t, storing, "1", Stored)
	looks(t, storing, 4)
	if got := stateOf(t, storing, "a"); got != RouteAway || floorOf(t, storing) != 0 {
		t.Errorf("a is %s, the floor %d", got, floorOf(t, storing))
	}
	// One whose routes have all ended is different: it had targets.
	ended := member(t, nc, QueueOptions{Routes: []Route{}, grace: 1})
	looks(t, ended, 2)
	if got := stateOf(t, storing, "a"); got != RouteInactive || floorOf(t, storing) != 1 {
		t.Errorf("a is %s, the floor %d", got, floorOf(t, storing))
	}
}

// If a listener makes a route inactive just when another one has it again, that is undone.
func TestActiveRouteIsNotInactiveForLong(t *testing.T) {
	for _, own := range []bool{true, false} {
		_, nc := connectToServer(t)
		first := member(t, nc, QueueOptions{Routes: named("a")})
		second := member(t, nc, QueueOptions{Routes: named("b")})
		forwardAll(t, second, "b")
		info, err := second.route("b").info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := first.describe(t.Context(), info.Config, fmt.Sprintf(inactiveText, 0)); err != nil {
			t.Fatal(err)
		}
		q := first // a listener of an older version does not undo it itself
		if own {
			q = second
		}
		looks(t, q, 1)
		if _, p, err := first.status(t.Context()); err != nil || len(p.inactive) != 0 {
			t.Errorf("own %t: %+v, %v", own, p, err)
		}
	}
}

func TestForgetRouteOnACluster(t *testing.T) {
	_, nc := connectToServer(t)
	first := member(t, nc, QueueOptions{Routes: named("a", "b")})
	f, err := first.Forward(ForwardOptions{Route: "b", Target: refusing{}})
	if err != nil {
		t.Fatal(err)
	}
	mustPublish(t, first, "1", Stored)
	for info, err := first.dead.Info(t.Context()); err != nil || info.State.Msgs == 0; info, err = first.dead.Info(t.Context()) {
	}
	admin := member(t, nc, QueueOptions{bind: true})
	if err := admin.ForgetRoute(t.Context(), "b"); !errors.Is(err, ErrRouteActive) {
		t.Errorf("an active route: %v", err)
	}
	if err := f.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := first.EndRoute(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	infos, err := admin.RouteInfos(t.Context())
	if err != nil || len(infos) != 2 || infos[1] != (RouteInfo{Name: "b", State: RouteAway, Position: 1, Dead: 1}) {
		t.Errorf("%+v, %v", infos, err)
	}
	if err := admin.ForgetRoute(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if err := admin.ForgetRoute(t.Context(), "b"); !errors.Is(err, ErrNoRoute) {
		t.Errorf("forgotten twice: %v", err)
	}
	looks(t, first, 1)
	if s, err := first.Status(t.Context()); err != nil || s.Dead != 0 || len(s.Routes) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	mustPublish(t, first, "2", Stored)
	start, err := first.AddRoute(t.Context(), Route{Name: "b", From: FromNow})
	if err != nil || !start.New {
		t.Errorf("%+v, %v", start, err)
	}
	mustPublish(t, first, "3", Stored)
	forwardAll(t, first, "b", "3")
}
