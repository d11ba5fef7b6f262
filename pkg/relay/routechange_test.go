package relay_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// addRoute adds a route, and forwards its events to a URL.
func addRoute(t *testing.T, q *relay.Queue, r relay.Route, url string) (relay.RouteStart, *relay.Forwarder) {
	t.Helper()
	start, err := q.AddRoute(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	o := quick(url)
	o.Route = r.Name
	f, err := q.Forward(o)
	if err != nil {
		t.Fatal(err)
	}
	return start, f
}

func endRoute(t *testing.T, q *relay.Queue, name string, f *relay.Forwarder) {
	t.Helper()
	if f != nil {
		if err := f.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.EndRoute(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}

// infosOf returns the routes as text: name, state, position, waiting events, dead letters.
func infosOf(t *testing.T, q *relay.Queue) (out []string) {
	t.Helper()
	infos, err := q.RouteInfos(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range infos {
		out = append(out, fmt.Sprintf("%s %s %d %d %d", r.Name, r.State, r.Position, r.Waiting, r.Dead))
	}
	return out
}

// expectRoutes waits until the routes are as infosOf describes them.
func expectRoutes(t *testing.T, q *relay.Queue, want ...string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		got := infosOf(t, q)
		if slices.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(cmp.Diff(want, got))
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func TestRoutesComeAndGoWhileTheQueueIsInUse(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, relay.StoreOptions{Dir: dir, Routes: named("a")})
	a, b, c := newApplication(t, nil), newApplication(t, nil), newApplication(t, nil)
	by(t, s, "a", a.URL)
	publish(t, s, "1")
	expectTook(t, "a", a, "1")

	start, fb := addRoute(t, s.Queue, relay.Route{Name: "b", From: relay.FromNow}, b.URL)
	if start != (relay.RouteStart{New: true}) {
		t.Errorf("b: %+v", start)
	}
	if start, _ := addRoute(t, s.Queue, relay.Route{Name: "c", From: relay.FromOldest}, c.URL); start != (relay.RouteStart{New: true}) {
		t.Errorf("c: %+v", start)
	}
	publish(t, s, "2")
	expectTook(t, "b", b, "2")
	expectTook(t, "c", c, "1", "2")

	if err := s.EndRoute(t.Context(), "b"); err == nil {
		t.Error("a route with a forwarder ends")
	}
	endRoute(t, s.Queue, "b", fb)
	if err := s.EndRoute(t.Context(), "b"); !errors.Is(err, relay.ErrNoRoute) {
		t.Errorf("it ends twice: %v", err)
	}
	if _, err := s.Forward(relay.ForwardOptions{Route: "b", Target: to(b.URL)}); !errors.Is(err, relay.ErrNoRoute) {
		t.Errorf("an ended route forwards: %v", err)
	}
	publish(t, s, "3")
	expectTook(t, "a", a, "1", "2", "3")
	eventually(t, "nothing waits", func() bool { return statusOf(t, s).Waiting == 0 })
	expectRoutes(t, s.Queue, "a active 3 0 0", "b inactive 2 1 0", "c active 3 0 0")

	// It continues at its position, whatever it says where to begin, also after a restart.
	closeStore(t, s)
	s = openStore(t, relay.StoreOptions{Dir: dir})
	if diff := cmp.Diff([]string{"a", "c"}, s.Routes()); diff != "" {
		t.Error(diff)
	}
	if start, err := s.AddRoute(t.Context(), relay.Route{Name: "a", From: relay.FromOldest}); err != nil || start != (relay.RouteStart{}) {
		t.Errorf("a route in use: %+v, %v", start, err)
	}
	if start, _ := addRoute(t, s.Queue, relay.Route{Name: "b", From: relay.FromNow}, b.URL); start != (relay.RouteStart{}) {
		t.Errorf("b again: %+v", start)
	}
	expectTook(t, "b", b, "2", "3")
}

func TestRouteOptionsAreChecked(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir(), Routes: named("a")})
	for _, r := range []relay.Route{{Name: ""}, {Name: "B"}, {Name: "b", From: "later"}, {Name: "b", WhenFull: "wait"}} {
		if _, err := s.AddRoute(t.Context(), r); err == nil {
			t.Errorf("%+v is added", r)
		}
		if _, err := relay.Open(t.Context(), relay.StoreOptions{Dir: t.TempDir(), Routes: []relay.Route{r}}); err == nil {
			t.Errorf("a store with %+v opens", r)
		}
	}
	if diff := cmp.Diff([]string{"a"}, s.Routes()); diff != "" {
		t.Error(diff)
	}
}

// overfill stores events until removing delivered ones has made room twice, and returns their
// ids. All events so far must have been delivered.
func overfill(t *testing.T, s *relay.Store, prefix string) (stored []string) {
	t.Helper()
	shrunk := 0
	for bytes := uint64(0); shrunk < 2; {
		id := fmt.Sprintf("%s%04d", prefix, len(stored))
		eventually(t, id+" is stored", func() bool {
			outcome, _ := s.Publish(t.Context(), event(id))
			return outcome == relay.Stored
		})
		stored = append(stored, id)
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if now := s.Stats().Bytes; now < bytes {
			shrunk++
			bytes = now
		} else {
			bytes = now
		}
	}
	return stored
}

// A removed route does not fill the queue. If it returns, it continues at the oldest event
// that is still there, and knows how many it has missed.
func TestReturningRouteKnowsWhatItHasMissed(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %t", restart), func(t *testing.T) {
			said := &talk{t: t}
			o := relay.StoreOptions{Dir: t.TempDir(), Routes: named("a", "b"), MaxBytes: 64 << 10, Logf: said.logf}
			s := openStore(t, o)
			a, b := newApplication(t, nil), newApplication(t, nil)
			by(t, s, "a", a.URL)
			fb := by(t, s, "b", b.URL)
			publish(t, s, "first")
			expectTook(t, "b", b, "first")
			endRoute(t, s.Queue, "b", fb)
			stored := overfill(t, s, "e")
			var missed uint64
			if restart {
				closeStore(t, s)
				s = openStore(t, o)
				by(t, s, "b", b.URL)
				line := said.String()
				if _, err := fmt.Sscanf(line, "the route b continues, but has missed %d events", &missed); err != nil {
					t.Fatalf("%v in %s", err, line)
				}
			} else {
				start, _ := addRoute(t, s.Queue, relay.Route{Name: "b"}, b.URL)
				if missed = start.Missed; start.New {
					t.Error("the route is new")
				}
			}
			if missed == 0 || missed >= uint64(len(stored)) {
				t.Fatalf("missed %d of %d", missed, len(stored))
			}
			expectTook(t, "b", b, append([]string{"first"}, stored[missed:]...)...)
		})
	}
}

// A route that is down fills the queue, until it is removed.
func TestRemovedRouteNoLongerHoldsEventsBack(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir(), Routes: named("a", "b"), MaxBytes: 64 << 10})
	a := newApplication(t, nil)
	by(t, s, "a", a.URL)
	fb := by(t, s, "b", "http://127.0.0.1:1")
	for n := 0; ; n++ {
		outcome, err := s.Publish(t.Context(), event(fmt.Sprintf("e%04d", n)))
		if outcome == relay.Full {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	endRoute(t, s.Queue, "b", fb)
	overfill(t, s, "f")
}

// Events of a route that is left out are not forgotten silently, unless a new route takes
// its place.
func TestRouteThatIsLeftOutIsLogged(t *testing.T) {
	for from, logs := range map[relay.From]bool{relay.FromDefault: false, relay.FromNow: true, relay.FromOldest: true} {
		said := &talk{t: t}
		o := relay.StoreOptions{Dir: t.TempDir(), Logf: said.logf}
		s := openStore(t, o)
		publish(t, s, "1", "2")
		closeStore(t, s)
		o.Routes = []relay.Route{{Name: "a", From: from}}
		for range 2 { // only at the first start
			s = openStore(t, o)
			closeStore(t, s)
		}
		want := ""
		if logs {
			want = "the route forward is no longer in use: 2 events that it has not forwarded are no longer retained for it\n"
		}
		if diff := cmp.Diff(want, said.String()); diff != "" {
			t.Errorf("from %q: %s", from, diff)
		}
	}
}

// Without any route, events are only retained.
func TestQueueWithoutRoutes(t *testing.T) {
	o := relay.StoreOptions{Dir: t.TempDir(), Routes: []relay.Route{}, Logf: func(format string, args ...any) {
		t.Errorf("logged: "+format, args...)
	}}
	s := openStore(t, o)
	publish(t, s, "1")
	check := func(stored int) {
		t.Helper()
		status := statusOf(t, s)
		if status.Waiting != 0 || status.Kept != uint64(stored) || len(s.Routes()) != 0 || len(listed(t, s, relay.Delivered)) != stored {
			t.Errorf("%+v", status)
		}
	}
	check(1)
	a := newApplication(t, nil)
	_, f := addRoute(t, s.Queue, relay.Route{Name: "a", From: relay.FromOldest}, a.URL)
	expectTook(t, "a", a, "1")
	endRoute(t, s.Queue, "a", f)
	publish(t, s, "2")
	check(2)
	closeStore(t, s)
	s = openStore(t, o)
	if r := s.Recovery(); r.Lost != 0 || !r.Complete || r.Waiting != 0 {
		t.Errorf("%+v", r)
	}
	check(2)
	expectRoutes(t, s.Queue, "a inactive 1 1 0")
	_, f = addRoute(t, s.Queue, relay.Route{Name: "a"}, a.URL)
	expectTook(t, "a", a, "1", "2")
	endRoute(t, s.Queue, "a", f)
	closeStore(t, s)

	// A route from a flag takes the place of no other.
	o.Routes = named("b")
	s = openStore(t, o)
	b := newApplication(t, nil)
	by(t, s, "b", b.URL)
	publish(t, s, "3")
	expectTook(t, "b", b, "3")
}

// publishing stores events until stop is called, a few more than an application has taken.
// stop returns those that were stored.
func publishing(t *testing.T, q *relay.Queue, a *application) (stop func() []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var stored []string
	var running sync.WaitGroup
	running.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			for n > len(a.took())+20 && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
			id := fmt.Sprintf("e%06d", n)
			if outcome, err := q.Publish(context.Background(), event(id)); outcome == relay.Stored {
				stored = append(stored, id)
			} else {
				t.Errorf("%s: %s, %v", id, outcome, err)
			}
		}
	})
	return func() []string {
		cancel()
		running.Wait()
		return stored
	}
}

// A route is removed and added 100 times under load. It gets every event that was stored
// since it was new, in order; and none while it is removed.
func TestRouteIsRemovedAndAddedUnderLoad(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) (first, q *relay.Queue){
		"store": func(t *testing.T) (first, q *relay.Queue) {
			s := openStore(t, relay.StoreOptions{Dir: t.TempDir(), Routes: named("a", "b")})
			return s.Queue, s.Queue
		},
		"cluster": func(t *testing.T) (first, q *relay.Queue) {
			urls := []string{startServer(t, nil)}
			return mustDial(t, relay.DialOptions{URLs: urls, Routes: named("a")}).Queue,
				mustDial(t, relay.DialOptions{URLs: urls, Routes: []relay.Route{{Name: "b", From: relay.FromOldest}}}).Queue
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, q := open(t)
			a, b := newApplication(t, nil), newApplication(t, nil)
			forwardTo := func(q *relay.Queue, route string, app *application) *relay.Forwarder {
				o := quick(app.URL)
				o.Route = route
				f, err := q.Forward(o)
				if err != nil {
					t.Fatal(err)
				}
				return f
			}
			forwardTo(first, "a", a)
			f := forwardTo(q, "b", b)
			stop := publishing(t, first, a)
			for n := range 100 {
				count := len(a.took())
				eventually(t, "a gets more events", func() bool { return len(a.took()) > count })
				endRoute(t, q, "b", f)
				before := len(b.took())
				count = len(a.took())
				eventually(t, "a gets more events", func() bool { return len(a.took()) > count })
				if after := len(b.took()); after != before {
					t.Errorf("round %d: %d events were delivered to a removed route", n, after-before)
				}
				start, err := q.AddRoute(t.Context(), relay.Route{Name: "b", From: relay.FromNow})
				if err != nil || start != (relay.RouteStart{}) {
					t.Fatalf("round %d: %+v, %v", n, start, err)
				}
				f = forwardTo(q, "b", b)
			}
			stored := stop()
			expectTook(t, "a", a, stored...)
			eventually(t, "b has all events", func() bool { return len(firsts(b.took())) >= len(stored) })
			if diff := cmp.Diff(stored, firsts(b.took())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// firsts returns the ids without repetitions.
func firsts(ids []string) (out []string) {
	seen := map[string]bool{}
	for _, id := range ids {
		if !seen[id] {
			out = append(out, id)
		}
		seen[id] = true
	}
	return out
}

func TestForgetRoute(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, relay.StoreOptions{Dir: dir, Routes: named("a", "b", "c")})
	var refuses atomic.Bool
	refuses.Store(true)
	a, b := newApplication(t, nil), failing(t, &refuses, http.StatusGone)
	by(t, s, "a", a.URL)
	fb := by(t, s, "b", b.URL)
	publish(t, s, "1")
	expectRoutes(t, s.Queue, "a active 1 0 0", "b active 1 0 1", "c active 0 1 0")
	endRoute(t, s.Queue, "b", fb)
	endRoute(t, s.Queue, "c", nil)
	publish(t, s, "2")
	expectRoutes(t, s.Queue, "a active 2 0 0", "b inactive 1 1 1", "c inactive 0 2 0")

	// By this process, by another one while the store is in use, and without a listener.
	attach := func() *relay.Store {
		other, err := relay.Attach(t.Context(), dir, t.Logf)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeStore(t, other) })
		return other
	}
	other := attach()
	for _, q := range []*relay.Queue{s.Queue, other.Queue} {
		if err := q.ForgetRoute(t.Context(), "a"); !errors.Is(err, relay.ErrRouteActive) {
			t.Errorf("an active route: %v", err)
		}
		if err := q.ForgetRoute(t.Context(), "none"); !errors.Is(err, relay.ErrNoRoute) {
			t.Errorf("no route: %v", err)
		}
	}
	expectRoutes(t, other.Queue, "a active 2 0 0", "b inactive 1 1 1", "c inactive 0 2 0")
	if err := other.ForgetRoute(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if err := s.ForgetRoute(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	closeStore(t, other)
	expectRoutes(t, s.Queue, "a active 2 0 0")
	if dead := listed(t, s, relay.Dead); len(dead) != 0 {
		t.Errorf("dead letters %q", dead)
	}
	// A route of the same name is a new one.
	refuses.Store(false)
	start, _ := addRoute(t, s.Queue, relay.Route{Name: "b", From: relay.FromNow}, b.URL)
	if !start.New {
		t.Errorf("%+v", start)
	}
	publish(t, s, "3")
	expectTook(t, "b", b, "3")
	expectRoutes(t, s.Queue, "a active 3 0 0", "b active 3 0 0")

	closeStore(t, s)
	other = attach()
	expectRoutes(t, other.Queue, "a away 3 0 0", "b away 3 0 0")
	if err := other.ForgetRoute(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	expectRoutes(t, other.Queue, "a away 3 0 0")
	closeStore(t, other)
	s = openStore(t, relay.StoreOptions{Dir: dir, Logf: func(format string, args ...any) {
		t.Errorf("logged: "+format, args...)
	}})
	expectRoutes(t, s.Queue, "a active 3 0 0")
	if r := s.Recovery(); !r.Complete {
		t.Errorf("%+v", r)
	}
}
