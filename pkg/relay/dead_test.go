package relay_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// steps collects the steps of a forwarder.
type steps struct {
	mu  sync.Mutex
	all []relay.Step
}

func (s *steps) add(step relay.Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, step)
}

// summary returns a short form of each step.
func (s *steps) summary() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, step := range s.all {
		line := string(step.Kind) + " " + step.ID
		if step.Err != nil {
			line += ": " + step.Err.Error()
		}
		out = append(out, line)
	}
	return out
}

func listed(t *testing.T, s *relay.Store, state relay.State) []string {
	t.Helper()
	var out []string
	for e, err := range s.List(t.Context(), state) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e.ID)
	}
	return out
}

func TestDeadLetters(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, relay.StoreOptions{Dir: dir})
	app := newApplication(t, func(id string, n int) int {
		switch {
		case id == "gone" && n == 1:
			return http.StatusGone
		case id == "often":
			return http.StatusTeapot
		}
		return http.StatusOK
	})
	var seen steps
	o := quick(app.URL)
	o.MaxAttempts, o.Observe = 3, seen.add
	forward(t, s, o)
	publish(t, s, "a", "gone", "often", "b")
	eventually(t, "the line is empty", func() bool { return len(app.took()) == 2 })
	want := []string{
		"forwarded a",
		"forwarded gone: the application answered 410 Gone",
		"dead gone: the application refused it: the application answered 410 Gone",
		"forwarded often: the application answered 418 I'm a teapot",
		"forwarded often: the application answered 418 I'm a teapot",
		"forwarded often: the application answered 418 I'm a teapot",
		"dead often: it failed 3 times, most recently: the application answered 418 I'm a teapot",
		"forwarded b",
	}
	eventually(t, "all steps were reported", func() bool { return len(seen.summary()) == len(want) })
	if diff := cmp.Diff(want, seen.summary()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"gone", "often"}, listed(t, s, relay.Dead)); diff != "" {
		t.Error(diff)
	}
	entry, err := s.Show(t.Context(), "often")
	if err != nil || entry.State != relay.Dead || entry.Attempts != 3 || string(entry.Body) != string(event("often").Body) ||
		entry.Reason == "" || entry.Died.Before(entry.Stored) || entry.Type != "device-status-changed" {
		t.Errorf("%+v, %v", entry, err)
	}
	if diff := cmp.Diff(event("often").Header, entry.Header); diff != "" {
		t.Error(diff)
	}
	if outcome, err := s.Publish(t.Context(), event("gone")); outcome != relay.Duplicate {
		t.Errorf("a dead letter was stored again: %s, %v", outcome, err)
	}

	if err := s.Retry(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	// The application accepts it a moment before the queue knows.
	eventually(t, "it is delivered", func() bool { return len(seen.summary()) == len(want)+1 })
	if err := s.Drop(t.Context(), "often", "gone"); !errors.Is(err, relay.ErrNotFound) {
		t.Errorf("gone was delivered, and can't be dropped: %v", err)
	}
	if left := listed(t, s, relay.Dead); left != nil {
		t.Errorf("left %v", left)
	}
	if err := s.Retry(t.Context(), "often"); !errors.Is(err, relay.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	eventually(t, "the figures are new", func() bool { return s.Stats().Dead == 0 && s.Stats().Waiting == 0 })
	stats := s.Stats()
	if stats.Stored != 4 || stats.Duplicates != 1 || stats.Died != 2 || stats.Forwarded != 3 || stats.Failed != 4 ||
		stats.ForwardTime <= 0 {
		t.Errorf("%+v", stats)
	}
}

func TestTooOld(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir()})
	app := newApplication(t, func(string, int) int { return http.StatusBadGateway })
	publish(t, s, "a", "b")
	var seen steps
	o := quick(app.URL)
	o.MaxAge, o.MaxPause, o.Observe = 300*time.Millisecond, time.Hour, seen.add
	forward(t, s, o)
	eventually(t, "both are dead", func() bool { return len(listed(t, s, relay.Dead)) == 2 })
	e, err := s.Show(t.Context(), "b")
	if err != nil || !strings.HasPrefix(e.Reason, "the event exceeded its maximum age") {
		t.Errorf("%+v, %v", e, err)
	}
}

// A dead letter is recognized as a duplicate, also after a restart.
func TestDeadLetterSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, relay.StoreOptions{Dir: dir, Keep: 100 * time.Millisecond})
	app := newApplication(t, func(string, int) int { return http.StatusGone })
	f := forward(t, s, quick(app.URL))
	publish(t, s, "a")
	eventually(t, "it is dead", func() bool { return len(listed(t, s, relay.Dead)) == 1 })
	if err := f.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	time.Sleep(150 * time.Millisecond) // let Keep pass
	s = openStore(t, relay.StoreOptions{Dir: dir, Keep: 100 * time.Millisecond})
	eventually(t, "the line has forgotten it", func() bool { return len(listed(t, s, relay.Delivered)) == 0 })
	closeStore(t, s)
	s = openStore(t, relay.StoreOptions{Dir: dir, Keep: 100 * time.Millisecond})
	if outcome, err := s.Publish(t.Context(), event("a")); outcome != relay.Duplicate {
		t.Errorf("%s, %v", outcome, err)
	}
	if diff := cmp.Diff([]string{"a"}, listed(t, s, relay.Dead)); diff != "" {
		t.Error(diff)
	}
}

func TestQueueIsLookedAfterFromOutside(t *testing.T) {
	dir := t.TempDir()
	if _, err := relay.Attach(t.Context(), dir, t.Logf); !errors.Is(err, relay.ErrNoStore) {
		t.Errorf("got %v", err)
	}
	s := openStore(t, relay.StoreOptions{Dir: dir, MaxBytes: 1 << 20})
	var down sync.Map
	app := newApplication(t, func(id string, n int) int {
		if _, ok := down.Load(id); ok {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	down.Store("b", true)
	f := forward(t, s, quick(app.URL+"/hook?token=secret"))
	publish(t, s, "a", "b", "c", "d", "odd. id\x1b*>")
	eventually(t, "b fails", func() bool { return app.triesOf("b") > 1 })

	check := func(admin *relay.Store, running bool) {
		t.Helper()
		status, err := admin.Status(t.Context())
		if err != nil || status.Waiting != 4 || status.MaxBytes != 1<<20 || status.Forwarding != running {
			t.Errorf("%+v, %v", status, err)
		}
		if running && (status.Blocked == nil || status.Blocked.ID != "b" || status.URL != app.URL+"/hook") {
			t.Errorf("%+v", status)
		}
		if diff := cmp.Diff([]string{"b", "c", "d", "odd. id\x1b*>"}, listed(t, admin, relay.Waiting)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"a"}, listed(t, admin, relay.Delivered)); diff != "" {
			t.Error(diff)
		}
		for id, state := range map[string]relay.State{"a": relay.Delivered, "b": relay.Waiting, "odd. id\x1b*>": relay.Waiting} {
			e, err := admin.Show(t.Context(), id)
			if err != nil || e.State != state || e.ID != id || string(e.Body) != string(event(id).Body) {
				t.Errorf("%s: %+v, %v", id, e, err)
			}
		}
		if _, err := admin.Stored(t.Context(), "nobody"); !errors.Is(err, relay.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	}
	admin, err := relay.Attach(t.Context(), dir, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	check(admin, true)
	if err := admin.Drop(t.Context(), "d"); err != nil {
		t.Error(err)
	}
	publish(t, s, "e")
	closeStore(t, admin)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := f.Stop(ctx); err != nil {
		t.Error(err)
	}
	closeStore(t, s)

	admin, err = relay.Attach(t.Context(), dir, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b", "c", "odd. id\x1b*>", "e"}, listed(t, admin, relay.Waiting)); diff != "" {
		t.Error(diff)
	}
	if err := admin.Drop(t.Context(), "b", "c"); err != nil {
		t.Error(err)
	}
	closeStore(t, admin)

	s = openStore(t, relay.StoreOptions{Dir: dir, MaxBytes: 1 << 20})
	forward(t, s, quick(app.URL))
	eventually(t, "the rest is delivered", func() bool { return len(app.took()) == 3 })
	if diff := cmp.Diff([]string{"a", "odd. id\x1b*>", "e"}, app.took()); diff != "" {
		t.Error(diff)
	}
}

func TestOpenWaitsForAdminCommand(t *testing.T) {
	dir := t.TempDir()
	closeStore(t, openStore(t, relay.StoreOptions{Dir: dir}))
	admin, err := relay.Attach(t.Context(), dir, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() {
		s, err := relay.Open(context.Background(), relay.StoreOptions{Dir: dir})
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("opened beside one who looks: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	closeStore(t, admin)
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

// A blocked event can be dropped or retried without waiting for the end of its
// pause.
func TestBlockedEventIsDroppedOrTriedAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, relay.StoreOptions{Dir: dir})
	app := newApplication(t, func(id string, n int) int {
		if id == "bad" || id == "late" && n == 1 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	o := quick(app.URL)
	o.MinPause, o.MaxPause = time.Hour, time.Hour
	forward(t, s, o)
	publish(t, s, "bad", "late", "good")
	blocked := func(id string) func() bool {
		return func() bool {
			status, err := s.Status(t.Context())
			return err == nil && status.Blocked != nil && status.Blocked.ID == id
		}
	}
	admin, err := relay.Attach(t.Context(), dir, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, admin)
	eventually(t, "it blocks", blocked("bad"))
	if err := admin.Drop(t.Context(), "bad"); err != nil {
		t.Error(err)
	}
	eventually(t, "the next one blocks", blocked("late"))
	if err := admin.Retry(t.Context(), "late"); err != nil {
		t.Error(err)
	}
	eventually(t, "all others are delivered", func() bool { return len(app.took()) == 2 })
	if diff := cmp.Diff([]string{"late", "good"}, app.took()); diff != "" {
		t.Error(diff)
	}
	if err := admin.Retry(t.Context(), "good"); !errors.Is(err, relay.ErrNotFound) {
		t.Errorf("a delivered event was retried: %v", err)
	}
	status, err := s.Status(t.Context())
	if err != nil || status.Blocked != nil {
		t.Errorf("%+v, %v", status.Blocked, err)
	}
}
