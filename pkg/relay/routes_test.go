package relay_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// named returns routes with the names, or nil.
func named(names ...string) (routes []relay.Route) {
	for _, name := range names {
		routes = append(routes, relay.Route{Name: name})
	}
	return routes
}

// by forwards the events of a route to a URL.
func by(t *testing.T, s *relay.Store, route, url string) *relay.Forwarder {
	t.Helper()
	o := quick(url)
	o.Route = route
	return forward(t, s, o)
}

// failing is an application that fails while down is set.
func failing(t *testing.T, down *atomic.Bool, status int) *application {
	t.Helper()
	return newApplication(t, func(string, int) int {
		if down.Load() {
			return status
		}
		return http.StatusNoContent
	})
}

func statusOf(t *testing.T, s *relay.Store) relay.Status {
	t.Helper()
	status, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// expectTook waits until an application has all events, and checks their order.
func expectTook(t *testing.T, name string, a *application, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s has %d events", name, len(want)), func() bool { return len(a.took()) >= len(want) })
	if diff := cmp.Diff(want, a.took()); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}

func TestRouteThatIsDownDoesNotHoldUpOthers(t *testing.T) {
	o := relay.StoreOptions{Dir: t.TempDir(), Routes: named("inventory", "lake", "tickets")}
	s := openStore(t, o)
	var down atomic.Bool
	down.Store(true)
	inventory, lake, tickets := newApplication(t, nil), newApplication(t, nil), failing(t, &down, http.StatusServiceUnavailable)
	for route, app := range map[string]*application{"inventory": inventory, "lake": lake, "tickets": tickets} {
		by(t, s, route, app.URL)
	}
	want := ids("e", 50)
	publish(t, s, want...)
	expectTook(t, "inventory", inventory, want...)
	expectTook(t, "lake", lake, want...)
	eventually(t, "the first event failed", func() bool { return tickets.triesOf(want[0]) > 1 })
	eventually(t, "the other routes are done", func() bool {
		status := statusOf(t, s)
		return len(status.Routes) == 3 && status.Routes[0].Waiting == 0 && status.Routes[1].Waiting == 0
	})
	status := statusOf(t, s)
	third := status.Routes[2]
	if status.Waiting != 50 || status.Kept != 0 || status.Forwarders != 1 || third.Waiting != 50 || third.Name != "tickets" ||
		third.Blocked == nil || third.Blocked.ID != want[0] || status.Routes[0].Blocked != nil || !strings.Contains(third.URL, tickets.URL) {
		t.Errorf("status %+v", status)
	}
	if got := listed(t, s, relay.Waiting); len(got) != 50 {
		t.Errorf("%d events wait", len(got))
	}

	// Each route continues at its own position after a restart.
	closeStore(t, s)
	s = openStore(t, relay.StoreOptions{Dir: o.Dir}) // with the routes of the last time
	if diff := cmp.Diff([]string{"inventory", "lake", "tickets"}, s.Routes()); diff != "" {
		t.Error(diff)
	}
	for route, app := range map[string]*application{"inventory": inventory, "lake": lake, "tickets": tickets} {
		by(t, s, route, app.URL)
	}
	down.Store(false)
	expectTook(t, "tickets", tickets, want...)
	eventually(t, "nothing waits", func() bool { return statusOf(t, s).Waiting == 0 })
	publish(t, s, "last")
	for name, app := range map[string]*application{"inventory": inventory, "lake": lake, "tickets": tickets} {
		expectTook(t, name, app, append(want, "last")...)
	}
}

func TestEventIsRetainedUntilEveryRouteHasIt(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir(), Routes: named("a", "b"), MaxBytes: 64 << 10, Keep: time.Nanosecond})
	var down atomic.Bool
	down.Store(true)
	a, b := newApplication(t, nil), failing(t, &down, http.StatusServiceUnavailable)
	by(t, s, "a", a.URL)
	by(t, s, "b", b.URL)
	var stored []string
	for n := range 1000 {
		id := fmt.Sprintf("e%04d", n)
		outcome, err := s.Publish(t.Context(), event(id))
		if outcome == relay.Full {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, id)
	}
	if len(stored) < 10 || len(stored) == 1000 {
		t.Fatalf("stored %d events", len(stored))
	}
	expectTook(t, "a", a, stored...)
	if outcome, err := s.Publish(t.Context(), event("too many")); !errors.Is(err, relay.ErrFull) {
		t.Errorf("%s, %v", outcome, err)
	}
	down.Store(false)
	expectTook(t, "b", b, stored...)
	eventually(t, "there is room", func() bool {
		outcome, _ := s.Publish(t.Context(), event("one more"))
		return outcome == relay.Stored
	})
}

func TestDeadLetterBelongsToARoute(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir(), Routes: named("a", "b", "c")})
	var refuses atomic.Bool
	refuses.Store(true)
	a := newApplication(t, nil)
	b, c := failing(t, &refuses, http.StatusGone), failing(t, &refuses, http.StatusGone)
	by(t, s, "a", a.URL)
	by(t, s, "b", b.URL)
	by(t, s, "c", c.URL)
	publish(t, s, "e")
	letters := func() (routes []string) {
		for e, err := range s.List(t.Context(), relay.Dead) {
			if err != nil {
				t.Fatal(err)
			}
			if e.ID != "e" || e.Attempts != 1 || e.Reason == "" {
				t.Errorf("%+v", e)
			}
			routes = append(routes, e.Route)
		}
		return routes
	}
	eventually(t, "there are two dead letters", func() bool { return len(letters()) == 2 })
	expectTook(t, "a", a, "e")
	if outcome, err := s.Publish(t.Context(), event("e")); outcome != relay.Duplicate {
		t.Errorf("published again: %s, %v", outcome, err)
	}

	refuses.Store(false)
	if err := s.RetryOf(t.Context(), "a", "e"); !errors.Is(err, relay.ErrNotFound) {
		t.Errorf("the route that delivered it: %v", err)
	}
	if err := s.RetryOf(t.Context(), "b", "e"); err != nil {
		t.Fatal(err)
	}
	expectTook(t, "b", b, "e")
	if got := letters(); len(got) != 1 || got[0] != "c" {
		t.Errorf("dead letters of %q", got)
	}
	publish(t, s, "f") // comes after the retry on every route
	expectTook(t, "a", a, "e", "f")
	expectTook(t, "b", b, "e", "f")
	expectTook(t, "c", c, "f")
	if err := s.Drop(t.Context(), "e"); err != nil || len(letters()) != 0 {
		t.Errorf("%v, dead letters of %q", err, letters())
	}
}

func TestNewRouteBeginsNowAndAnOldOneContinues(t *testing.T) {
	dir := t.TempDir()
	a, b := newApplication(t, nil), newApplication(t, nil)
	run := func(id string, routes map[string]*application, then func()) {
		o := relay.StoreOptions{Dir: dir, Logf: t.Logf}
		for name := range routes {
			o.Routes = append(o.Routes, relay.Route{Name: name})
		}
		s, err := relay.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer closeStore(t, s)
		for name, app := range routes {
			by(t, s, name, app.URL)
		}
		publish(t, s, id)
		then()
		eventually(t, "nothing waits", func() bool { return statusOf(t, s).Waiting == 0 })
	}
	run("1", map[string]*application{"a": a}, func() { expectTook(t, "a", a, "1") })
	run("2", map[string]*application{"a": a, "b": b}, func() { expectTook(t, "b", b, "2") })
	run("3", map[string]*application{"b": b}, func() { expectTook(t, "b", b, "2", "3") })
	run("4", map[string]*application{"a": a, "b": b}, func() {
		expectTook(t, "a", a, "1", "2", "3", "4")
		expectTook(t, "b", b, "2", "3", "4")
	})
}

// An event that waits is not lost when all targets get other names.
func TestNewRoutesContinueForTheOldOnes(t *testing.T) {
	dir := t.TempDir()
	waits := ids("w", 3)
	for n, routes := range [][]string{nil, {"a"}, {"b", "c"}, {relay.DefaultRoute}} {
		s := openStore(t, relay.StoreOptions{Dir: dir, Routes: named(routes...)})
		if r := s.Recovery(); r.Waiting != min(uint64(n), 1)*3 || r.Lost != 0 {
			t.Errorf("%q: %+v", routes, r)
		}
		if n == 0 {
			app := newApplication(t, nil)
			f := by(t, s, "", app.URL)
			publish(t, s, "delivered")
			expectTook(t, "the first", app, "delivered")
			if err := f.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			publish(t, s, waits...)
		}
		if diff := cmp.Diff(waits, listed(t, s, relay.Waiting)); diff != "" {
			t.Errorf("%q: %s", routes, diff)
		}
		closeStore(t, s)
	}
	s := openStore(t, relay.StoreOptions{Dir: dir, Logf: func(format string, args ...any) {
		t.Errorf("logged: "+format, args...)
	}})
	app := newApplication(t, nil)
	by(t, s, "", app.URL)
	expectTook(t, "the last", app, waits...)
}

// A lost consumer is replaced at the position of its own route.
func TestRouteWithoutItsConsumerContinues(t *testing.T) {
	o := relay.StoreOptions{Dir: t.TempDir(), Routes: named("a", "b")}
	s := openStore(t, o)
	var down atomic.Bool
	down.Store(true)
	a, b := newApplication(t, nil), failing(t, &down, http.StatusServiceUnavailable)
	by(t, s, "a", a.URL)
	by(t, s, "b", b.URL)
	publish(t, s, "1", "2")
	expectTook(t, "a", a, "1", "2")
	eventually(t, "a is done", func() bool { return statusOf(t, s).Routes[0].Waiting == 0 })
	closeStore(t, s)
	found, err := filepath.Glob(filepath.Join(o.Dir, "jetstream/jetstream/*/streams/*/obs/route-*"))
	if err != nil || len(found) != 2 {
		t.Fatalf("%q, %v", found, err)
	}
	for _, dir := range found {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	s = openStore(t, o)
	by(t, s, "a", a.URL)
	by(t, s, "b", b.URL)
	down.Store(false)
	publish(t, s, "3")
	expectTook(t, "a", a, "1", "2", "3")
	expectTook(t, "b", b, "1", "2", "3")
}

// A route that is not in the record yet, since the process was killed, keeps its events.
func TestRouteIsNewerThanTheRecord(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, relay.StoreOptions{Dir: dir, Routes: named("a")})
	closeStore(t, s)
	record, err := os.ReadFile(filepath.Join(dir, "cursor.json"))
	if err != nil {
		t.Fatal(err)
	}
	o := relay.StoreOptions{Dir: dir, Routes: named("a", "b")}
	s = openStore(t, o)
	publish(t, s, "1", "2")
	closeStore(t, s)
	if err := os.WriteFile(filepath.Join(dir, "cursor.json"), record, 0o600); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, o)
	b := newApplication(t, nil)
	by(t, s, "b", b.URL)
	expectTook(t, "b", b, "1", "2")
}

// testdata/store-before-routes was written before there were routes. It has four
// delivered events, the last as a dead letter, and two that wait.
func TestStoreFromBeforeRoutes(t *testing.T) {
	const dead = "0a16dbf0-80c2-482d-a8b8-cf2b43b39991"
	for name, routes := range map[string][]string{
		"without names": nil, "with the same route": {relay.DefaultRoute}, "with names": {"a", "b"},
		"with the same route and another": {relay.DefaultRoute, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS("testdata/store-before-routes")); err != nil {
				t.Fatal(err)
			}
			s := openStore(t, relay.StoreOptions{Dir: dir, Routes: named(routes...), Keep: 1 << 62})
			if r := s.Recovery(); r.Waiting != 2 || r.Dead != 1 || r.Kept != 4 || r.Lost != 0 || !r.Complete {
				t.Errorf("%+v", r)
			}
			waiting, delivered := listed(t, s, relay.Waiting), listed(t, s, relay.Delivered)
			if len(waiting) != 2 || len(delivered) != 4 || !cmp.Equal(listed(t, s, relay.Dead), []string{dead}) {
				t.Errorf("waiting %q, delivered %q", waiting, delivered)
			}
			for _, id := range append(waiting, delivered...) {
				if outcome, err := s.Publish(t.Context(), event(id)); outcome != relay.Duplicate {
					t.Errorf("%s: %s, %v", id, outcome, err)
				}
			}
			publish(t, s, "new")
			for _, route := range s.Routes() {
				app := newApplication(t, nil)
				by(t, s, route, app.URL)
				want := slices.Concat(waiting, []string{"new"})
				if route == "b" && s.Routes()[0] == relay.DefaultRoute {
					want = want[2:] // it is new, and another route remains
				}
				expectTook(t, route, app, want...)
			}
			eventually(t, "nothing waits", func() bool { return statusOf(t, s).Waiting == 0 })
			err := s.Retry(t.Context(), dead)
			if has := s.Routes()[0] == relay.DefaultRoute; has != (err == nil) || !has && !errors.Is(err, relay.ErrNoRoute) {
				t.Errorf("retry: %v", err)
			}
		})
	}
}

// script is a program that writes the id of each event to a file, and fails while
// another file exists.
type script struct{ path, log, down string }

func newScript(t *testing.T) *script {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the program is a shell script")
	}
	dir := t.TempDir()
	s := &script{filepath.Join(dir, "program"), filepath.Join(dir, "log"), filepath.Join(dir, "down")}
	text := fmt.Sprintf("#!/bin/sh\n[ ! -e '%s' ] && echo \"$MENDER_EVENT_ID\" >> '%s'\n", s.down, s.log)
	if err := os.WriteFile(s.path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *script) set(t *testing.T, down bool) {
	t.Helper()
	var err error
	if down {
		err = os.WriteFile(s.down, nil, 0o600)
	} else if err = os.Remove(s.down); errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s *script) took(t *testing.T) (taken []delivery) {
	t.Helper()
	log, err := os.ReadFile(s.log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for id := range strings.FieldsSeq(string(log)) {
		taken = append(taken, delivery{id: id})
	}
	return taken
}

func (s *script) ids(t *testing.T) (ids []string) {
	t.Helper()
	for _, d := range s.took(t) {
		ids = append(ids, d.id)
	}
	return ids
}

// absent returns the wanted events that are missing.
func absent(want, have []string) []string {
	seen := map[string]bool{}
	for _, id := range have {
		seen[id] = true
	}
	return slices.DeleteFunc(slices.Clone(want), func(id string) bool { return seen[id] })
}

// One of the routes has a program, and the target of another skips some events.
func TestKillWithRoutes(t *testing.T) {
	dir := t.TempDir()
	apps, program := map[string]*moody{}, newScript(t)
	routes := map[string]string{"program": program.path}
	for _, name := range []string{"a", "b", "filtered"} {
		apps[name] = &moody{first: map[string]time.Time{}}
		routes[name] = newServer(t, apps[name])
	}
	c := child{Dir: dir, Routes: routes, Filtered: "filtered", Workers: 4, Events: 50, Concurrency: 1}
	var promised []string
	killed := map[string][]span{}
	for c.Round = range *kills/2 + 1 {
		p := startChild(t, c)
		p.wait(t, p.ready, "ready")
		for range 2 {
			for _, app := range apps {
				app.set(rand.N(3) == 0)
			}
			program.set(t, rand.N(3) == 0)
			pause(rand.N(300 * time.Millisecond))
		}
		begin := time.Now()
		p.kill(t)
		for name := range apps {
			killed[name] = append(killed[name], span{begin, time.Now()})
		}
		promised = append(promised, p.promised...)
	}
	c.Workers = 0
	p := startChild(t, c)
	for _, app := range apps {
		app.set(false)
	}
	program.set(t, false)
	wanted := map[string]func([]string) []string{"a": slices.Clone[[]string], "b": slices.Clone[[]string], "filtered": unskipped}
	for name, app := range apps {
		app.deliver(t, wanted[name](promised))
	}
	arrive(t, func() int { return len(absent(promised, program.ids(t))) })
	p.end(t)
	stored := storedIDs(t, dir)
	for name, app := range apps {
		checkRepeats(t, app.taken, killed[name])
		checkOrder(t, wanted[name](stored), app.taken)
	}
	checkOrder(t, stored, program.took(t))
	t.Logf("%d events acknowledged, %d stored, %d runs of the program", len(promised), len(stored), len(program.took(t)))
}

// unskipped returns the events that the target of a filtered route does not skip.
func unskipped(ids []string) []string { return slices.DeleteFunc(slices.Clone(ids), isSkipped) }

func TestRouteNames(t *testing.T) {
	for name, valid := range map[string]bool{
		"a": true, "route-2": true, "a_b": true, strings.Repeat("x", 32): true,
		"": false, "A": false, "a.b": false, "a b": false, "-a": false, "a=2": false, strings.Repeat("x", 33): false, "ä": false,
	} {
		if err := relay.CheckRoute(name); (err == nil) != valid {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := relay.Open(t.Context(), relay.StoreOptions{Dir: t.TempDir(), Routes: named("no.name")}); err == nil {
		t.Error("a store with an invalid route opens")
	}
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir(), Routes: named("a")})
	if _, err := s.Forward(quick("http://127.0.0.1:1")); !errors.Is(err, relay.ErrNoRoute) {
		t.Errorf("forward without a route: %v", err)
	}
}
