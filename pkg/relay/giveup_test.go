package relay_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// small is room for about 180 events.
const small = 64 << 10

// givenUp returns how many events or dead letters a route gave up.
func givenUp(t *testing.T, s *relay.Store, route string) int {
	t.Helper()
	for _, r := range s.Stats().Routes {
		if r.Name == route {
			return int(r.GivenUp)
		}
	}
	t.Fatalf("no route %s", route)
	return 0
}

// tryPublish publishes events, and returns those that were not refused because the queue
// is full. It waits until an application has each of them.
func tryPublish(t *testing.T, s *relay.Store, ids []string, app *application) (stored []string) {
	t.Helper()
	for _, id := range ids {
		switch outcome, err := s.Publish(t.Context(), event(id)); {
		case outcome == relay.Stored:
			stored = append(stored, id)
			eventually(t, id+" is delivered", func() bool { return app == nil || app.triesOf(id) > 0 })
		case !errors.Is(err, relay.ErrFull):
			t.Fatalf("%s: %s, %v", id, outcome, err)
		}
	}
	return stored
}

func TestFullStoreWithARouteThatIsDown(t *testing.T) {
	for _, whenFull := range []relay.WhenFull{"", relay.Refuse, relay.Skip} {
		t.Run(fmt.Sprintf("when_full %q", whenFull), func(t *testing.T) {
			said := &talk{t: t}
			o := relay.StoreOptions{
				Dir: t.TempDir(), MaxBytes: small, Logf: said.logf,
				Routes: []relay.Route{{Name: "up"}, {Name: "down", WhenFull: whenFull}},
			}
			s := openStore(t, o)
			var down atomic.Bool
			down.Store(true)
			up, other := newApplication(t, nil), failing(t, &down, http.StatusServiceUnavailable)
			by(t, s, "up", up.URL)
			by(t, s, "down", other.URL)
			all := ids("e", 1000)
			stored := tryPublish(t, s, all, up)
			gone := givenUp(t, s, "down")
			if refused := len(stored) < len(all); refused == (whenFull == relay.Skip) || refused != (gone == 0) {
				t.Fatalf("stored %d events, gave up %d", len(stored), gone)
			}
			expectTook(t, "up", up, stored...)
			if n := givenUp(t, s, "up"); n != 0 {
				t.Errorf("the other route gave up %d", n)
			}

			// The events that were given up do not return, and no other is missing.
			closeStore(t, s)
			if line := "of the oldest events were given up for the route down"; (whenFull == relay.Skip) != strings.Contains(said.String(), line) {
				t.Errorf("logged: %q", said.String())
			}
			s = openStore(t, o)
			if r := s.Recovery(); r.Lost != 0 || int(r.Waiting) != len(stored)-gone {
				t.Errorf("%+v, %d stored, %d given up", r, len(stored), gone)
			}
			down.Store(false)
			by(t, s, "up", up.URL)
			by(t, s, "down", other.URL)
			expectTook(t, "down", other, stored[gone:]...)
			eventually(t, "nothing waits", func() bool { return statusOf(t, s).Waiting == 0 })
			publish(t, s, "last")
			expectTook(t, "down", other, append(slices.Clone(stored[gone:]), "last")...)
			expectTook(t, "up", up, append(slices.Clone(stored), "last")...)
		})
	}
}

// A route in use can learn to skip.
func TestWhenFullChanges(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir(), MaxBytes: small, Routes: named("down")})
	var down atomic.Bool
	down.Store(true)
	by(t, s, "down", failing(t, &down, http.StatusServiceUnavailable).URL)
	if stored := tryPublish(t, s, ids("e", 300), nil); len(stored) == 300 {
		t.Fatal("the store is not full")
	}
	start, err := s.AddRoute(t.Context(), relay.Route{Name: "down", WhenFull: relay.Skip})
	if err != nil || start != (relay.RouteStart{}) {
		t.Fatalf("%+v, %v", start, err)
	}
	eventually(t, "an event is stored", func() bool { return len(tryPublish(t, s, []string{"new"}, nil)) == 1 })
	if n := givenUp(t, s, "down"); n == 0 {
		t.Error("nothing was given up")
	}
}

// No event is given up that another route still needs, since that makes no room.
func TestNothingIsGivenUpThatDoesNotMakeRoom(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir(), MaxBytes: small, Routes: []relay.Route{
		{Name: "needs"}, {Name: "skips", WhenFull: relay.Skip},
	}})
	var down atomic.Bool
	down.Store(true)
	needs, skips := failing(t, &down, http.StatusServiceUnavailable), failing(t, &down, http.StatusServiceUnavailable)
	by(t, s, "needs", needs.URL)
	by(t, s, "skips", skips.URL)
	stored := tryPublish(t, s, ids("e", 300), nil)
	if n := givenUp(t, s, "skips"); n != 0 || len(stored) == 300 {
		t.Errorf("gave up %d, stored %d", n, len(stored))
	}
	down.Store(false)
	expectTook(t, "needs", needs, stored...)
	expectTook(t, "skips", skips, stored...)
}

func TestAllRoutesGiveUp(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir(), MaxBytes: small, Routes: []relay.Route{
		{Name: "a", WhenFull: relay.Skip}, {Name: "b", WhenFull: relay.Skip},
	}})
	var down atomic.Bool
	down.Store(true)
	all := ids("e", 500)
	publish(t, s, all...)
	for _, route := range []string{"a", "b"} {
		app := newApplication(t, nil)
		by(t, s, route, app.URL)
		expectTook(t, route, app, all[givenUp(t, s, route):]...)
	}
	before := givenUp(t, s, "a")
	if outcome, err := s.Publish(t.Context(), bulky("too large", small)); !errors.Is(err, relay.ErrFull) || givenUp(t, s, "a") != before {
		t.Errorf("%s, %v, gave up %d", outcome, err, givenUp(t, s, "a")-before)
	}
	if outcome, err := s.Publish(t.Context(), bulky("large", small/2)); outcome != relay.Stored {
		t.Errorf("%s, %v", outcome, err)
	}
}

func bulky(id string, size int) relay.Event {
	e := event(id)
	e.Body = []byte(strings.Repeat("x", size))
	return e
}

// An event that keeps failing for another route does not keep room from being made
// behind it.
func TestEventsAreGivenUpBehindOneThatAnotherRouteNeeds(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir(), MaxBytes: small, AckWait: 200 * time.Millisecond, Routes: []relay.Route{
		{Name: "needs"}, {Name: "skips", WhenFull: relay.Skip},
	}})
	var down atomic.Bool
	down.Store(true)
	needs := newApplication(t, func(id string, _ int) int {
		if id == "stuck" && down.Load() {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	skips := failing(t, &down, http.StatusServiceUnavailable)
	o := quick(needs.URL)
	o.Route, o.Concurrency = "needs", 4
	forward(t, s, o)
	by(t, s, "skips", skips.URL)
	publish(t, s, "stuck")
	all := ids("e", 1000)
	for _, id := range all {
		publish(t, s, id)
		eventually(t, id+" is delivered", func() bool { return needs.triesOf(id) > 0 })
	}
	gone := givenUp(t, s, "skips")
	down.Store(false)
	eventually(t, "nothing waits", func() bool { return statusOf(t, s).Waiting == 0 })
	took := skips.took()
	if len(took) != 1001-gone || took[0] != "stuck" || !slices.IsSorted(took[1:]) || took[len(took)-1] != all[999] {
		t.Errorf("gave up %d, took %d: %q", gone, len(took), took)
	}
	eventually(t, "the other has all", func() bool { return len(needs.took()) == 1001 })
}

func TestFullStoreOfDeadLetters(t *testing.T) {
	for _, whenFull := range []relay.WhenFull{relay.Refuse, relay.Skip} {
		t.Run(string(whenFull), func(t *testing.T) {
			said := &talk{t: t}
			s := openStore(t, relay.StoreOptions{Dir: t.TempDir(), MaxBytes: small, Logf: said.logf, Routes: []relay.Route{
				{Name: "other"}, {Name: "refuses", WhenFull: whenFull},
			}})
			other, refuses := newApplication(t, func(id string, _ int) int {
				if strings.HasPrefix(id, "both") {
					return http.StatusGone
				}
				return http.StatusOK
			}), newApplication(t, func(string, int) int { return http.StatusGone })
			by(t, s, "other", other.URL)
			by(t, s, "refuses", refuses.URL)
			both, all := ids("both", 10), ids("e", 100)
			publish(t, s, both...)
			eventually(t, "both routes have dead letters", func() bool { return len(listed(t, s, relay.Dead)) == 20 })
			publish(t, s, all...)
			expectTook(t, "other", other, all...)
			last := all[len(all)-1]
			if whenFull == relay.Refuse {
				eventually(t, "an event cannot become a dead letter", func() bool { return strings.Contains(said.String(), "cannot become a dead letter") })
				if r := statusOf(t, s).Routes[1]; r.Waiting == 0 || r.Blocked == nil || givenUp(t, s, "refuses") != 0 {
					t.Errorf("%+v", r)
				}
				return
			}
			eventually(t, "all are refused", func() bool { return refuses.triesOf(last) > 0 && statusOf(t, s).Waiting == 0 })
			var mine, others []string
			for e, err := range s.List(t.Context(), relay.Dead) {
				if err != nil {
					t.Fatal(err)
				}
				if e.Route == "refuses" {
					mine = append(mine, e.ID)
				} else {
					others = append(others, e.ID)
				}
			}
			gone := givenUp(t, s, "refuses")
			if diff := cmp.Diff(append(both, all...)[gone:], mine); diff != "" || gone == 0 {
				t.Errorf("gave up %d: %s", gone, diff)
			}
			if diff := cmp.Diff(both, others); diff != "" || givenUp(t, s, "other") != 0 {
				t.Errorf("the other route: %s", diff)
			}
		})
	}
}

// Events are given up while the process is killed again and again. The other route gets
// all of them in order, and the store does not report the others as lost.
func TestKillWhileEventsAreGivenUp(t *testing.T) {
	dir := t.TempDir()
	app := &moody{first: map[string]time.Time{}}
	c := child{
		Dir: dir, Routes: map[string]string{"needs": newServer(t, app), "skips": "http://127.0.0.1:1"}, GivesUp: "skips", Insists: true,
		Workers: 1, Events: 2000, Concurrency: 1, MaxBytes: small,
	}
	var promised []string
	for c.Round = range *kills/5 + 1 {
		p := startChild(t, c)
		p.wait(t, p.ready, "ready")
		eventually(t, "events were given up", func() bool { return p.count() > 400 })
		p.kill(t)
		promised = append(promised, p.promised...)
		s := openStore(t, relay.StoreOptions{Dir: dir})
		if r := s.Recovery(); r.Lost != 0 || !r.Complete || !r.Unclean {
			t.Errorf("%+v", r)
		}
		closeStore(t, s)
	}
	c.Workers = 0
	p := startChild(t, c)
	app.deliver(t, promised)
	p.end(t)
	checkOrder(t, promised, slices.DeleteFunc(app.taken, func(d delivery) bool {
		return !slices.Contains(promised, d.id) // stored just before a kill
	}))
}

// choosy is a target that skips events.
type choosy struct {
	target.Target
	skip func(id string) (skipped target.Result)
}

func (c choosy) Select(_ context.Context, e target.Event) target.Result { return c.skip(e.ID) }

func (c choosy) Deliver(ctx context.Context, e target.Event) target.Result {
	if r := c.skip(e.ID); r.Skipped {
		return r
	}
	return c.Target.Deliver(ctx, e)
}

func TestSkippedEventIsNoAttempt(t *testing.T) {
	said := &talk{t: t}
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir(), Logf: said.logf})
	app := newApplication(t, nil)
	broken := errors.New("the filter failed")
	var seen steps
	o := quick(app.URL)
	o.Observe = seen.add
	o.Target = choosy{o.Target, func(id string) target.Result {
		switch id {
		case "other":
			return target.Result{Skipped: true}
		case "broken":
			return target.Result{Skipped: true, Err: broken}
		case "dead":
			return target.Result{Skipped: true, Err: broken, Permanent: true}
		}
		return target.Result{}
	}}
	forward(t, s, o)
	publish(t, s, "wanted", "other", "broken", "dead", "last")
	want := []string{
		"forwarded wanted", "skipped other", "skipped broken: the filter failed", "dead dead: the filter failed", "forwarded last",
	}
	eventually(t, "all are done", func() bool { return len(seen.summary()) == len(want) })
	if diff := cmp.Diff(want, seen.summary()); diff != "" {
		t.Error(diff)
	}
	expectTook(t, "the application", app, "wanted", "last")
	if entry, err := s.Show(t.Context(), "dead"); err != nil || entry.State != relay.Dead || entry.Attempts != 0 {
		t.Errorf("%+v, %v", entry, err)
	}
	if got := listed(t, s, relay.Dead); len(got) != 1 {
		t.Errorf("dead letters %q", got)
	}
	stats := s.Stats()
	if r := stats.Routes[0]; stats.Forwarded != 2 || stats.Failed != 0 || r.Skipped != 1 || r.FilterErrors != 2 || r.GivenUp != 0 {
		t.Errorf("%+v", stats)
	}
	if !strings.Contains(said.String(), `the route forward skips event "broken": the filter failed`) {
		t.Errorf("logged %q", said.String())
	}
}

// An event that is too old becomes a dead letter only if the target wants it.
func TestTooOldEventIsSkipped(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir()})
	publish(t, s, "wanted", "other")
	app := newApplication(t, nil)
	o := quick(app.URL)
	o.MaxAge = time.Nanosecond
	o.Target = without(o.Target, func(id string) bool { return id == "other" })
	forward(t, s, o)
	eventually(t, "nothing waits", func() bool { return statusOf(t, s).Waiting == 0 })
	if diff := cmp.Diff([]string{"wanted"}, listed(t, s, relay.Dead)); diff != "" {
		t.Error(diff)
	}
}

// A listener on a cluster gives up events for the routes of others.
func TestListenersGiveUpForEachOther(t *testing.T) {
	t.Parallel()
	o := relay.DialOptions{URLs: []string{startServer(t, nil)}, MaxBytes: small, AckTimeout: patience, Logf: quietLog(t), Routes: []relay.Route{{Name: "up"}}}
	first := mustDial(t, o)
	o.Routes = []relay.Route{{Name: "down", WhenFull: relay.Skip}}
	second := mustDial(t, o)
	var down atomic.Bool
	down.Store(true)
	up, other := newApplication(t, nil), failing(t, &down, http.StatusServiceUnavailable)
	for route, at := range map[string]struct {
		*relay.Cluster
		url string
	}{"up": {first, up.URL}, "down": {second, other.URL}} {
		options := quick(at.url)
		options.Route = route
		if _, err := at.Forward(options); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for n, c := range []*relay.Cluster{first, second} {
		all.Go(func() {
			for _, id := range ids(fmt.Sprintf("l%d-", n), 500) {
				if outcome, err := c.Publish(t.Context(), event(id)); outcome != relay.Stored {
					t.Errorf("%s: %s, %v", id, outcome, err)
					return
				}
				eventually(t, id+" is delivered", func() bool { return up.triesOf(id) > 0 })
			}
		})
	}
	all.Wait()
	eventually(t, "the route that is up has all", func() bool { return len(up.took()) == 1000 })
	down.Store(false)
	eventually(t, "nothing waits", func() bool {
		s, err := second.Status(t.Context())
		return err == nil && s.Waiting == 0
	})
	took := up.took()
	if got := other.took(); len(got) < 100 || !slices.Equal(got, took[len(took)-len(got):]) {
		t.Errorf("took %d: %q", len(got), got)
	}
}
