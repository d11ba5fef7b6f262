package relay

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/ring"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay/embedded"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
)

func TestTrackerForgetsTheOldest(t *testing.T) {
	var tr tracker
	stored := time.Now()
	for seq := range uint64(remembered + 10) {
		if got := tr.begin(seq, stored); got != fresh {
			t.Fatalf("%d: %v", seq, got)
		}
		if got := tr.begin(seq, stored); got != inProgress {
			t.Fatalf("%d: %v", seq, got)
		}
		tr.settle(seq, stored)
		if got := tr.begin(seq, stored); got != settled {
			t.Fatalf("%d: %v", seq, got)
		}
	}
	if tr.begin(remembered, stored.Add(time.Second)) != fresh {
		t.Error("an event with the same sequence in a recreated stream counts as the old one")
	}
	if tr.begin(5, stored) != fresh || tr.begin(15, stored) != settled {
		t.Error("the wrong events are remembered")
	}
}

// named returns routes with the names.
func named(names ...string) (routes []Route) {
	for _, name := range names {
		routes = append(routes, Route{Name: name})
	}
	return routes
}

func testEvent(id string) Event {
	return Event{ID: id, Type: "device-decommissioned", Body: []byte(id)}
}

func mustPublish(t *testing.T, q *Queue, id string, want Outcome) {
	t.Helper()
	if got, err := q.Publish(t.Context(), testEvent(id)); got != want {
		t.Errorf("%s: %s, %v", id, got, err)
	}
}

// An event that waits for longer than the deduplication window is recognized as a
// duplicate even after the store was closed for a long time.
func TestIDsOutliveTheirWindow(t *testing.T) {
	o := StoreOptions{Dir: t.TempDir(), Logf: t.Logf}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	mustPublish(t, s.Queue, "a", Stored)
	info, err := s.events.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	config := info.Config
	config.Duplicates = 100 * time.Millisecond
	if _, err := s.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(config.Duplicates + 50*time.Millisecond) // let the window pass
	if s, err = Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	mustPublish(t, s.Queue, "a", Duplicate)
	mustPublish(t, s.Queue, "b", Stored)
}

// The queue works on a server that it does not own.
func TestQueueOnAnotherServer(t *testing.T) {
	srv, nc := connectToServer(t)
	first, err := NewQueue(t.Context(), nc, QueueOptions{Prefix: "acme.mender", AckTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := NewQueue(t.Context(), nc, QueueOptions{Prefix: "acme.mender"})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	sub, err := nc.SubscribeSync("acme.mender.events.device-decommissioned")
	if err != nil {
		t.Fatal(err)
	}
	mustPublish(t, first, "a", Stored)
	mustPublish(t, second, "a", Duplicate)
	m, err := sub.NextMsg(5 * time.Second)
	if err != nil || string(m.Data) != "a" || m.Header.Get("Nats-Msg-Id") != "a" {
		t.Errorf("%+v, %v", m, err)
	}
	if s, err := second.Status(t.Context()); err != nil || s.Waiting != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	srv.Shutdown()
	start := time.Now()
	mustPublish(t, first, "b", Unavailable)
	if took := time.Since(start); took > 1500*time.Millisecond {
		t.Errorf("took %s to refuse", took)
	}
}

func TestSafeTokens(t *testing.T) {
	for in, want := range map[string]string{
		"6f1b2c3d-0000-4000-8000-000000000000": "6f1b2c3d-0000-4000-8000-000000000000",
		"a.b":                                  hashedPrefix, "a b": hashedPrefix, "*": hashedPrefix, ">": hashedPrefix,
		"ü": hashedPrefix, "": hashedPrefix, "a\n": hashedPrefix, fmt.Sprintf("%0129d", 1): hashedPrefix,
		fmt.Sprintf("%0128d", 1): fmt.Sprintf("%0128d", 1),
	} {
		got := key(in)
		if want == hashedPrefix {
			if len(got) != len(hashedPrefix)+64 || got[:len(hashedPrefix)] != hashedPrefix {
				t.Errorf("%q: %s", in, got)
			}
		} else if got != want {
			t.Errorf("%q: %s", in, got)
		}
	}
}

// A full disk may destroy the consumer's state. A restarted server then continues
// after the recorded position.
func TestConsumerIsRecreatedWithTheServer(t *testing.T) {
	got := make(chan string, 100)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
	}))
	defer app.Close()
	s, err := Open(t.Context(), StoreOptions{Dir: t.TempDir(), Logf: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	f, err := s.Forward(ForwardOptions{Target: targetAt(t, app.URL)})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		mustPublish(t, s.Queue, id, Stored)
		if id != <-got {
			t.Error("not in order")
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		if known, _, _ := readJSON[record](s.o.Dir, recordFile); known.Floor == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the cursor was not written")
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.broken.Store(true)
	s.server.Stop()
	state := filepath.Join(s.o.Dir, embedded.Directory, "jetstream", "$G", "streams", "MENDER_EVENTS", "obs", DefaultRoute, "o.dat")
	if err := os.WriteFile(state, []byte("not a state"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.tracker.mu.Lock()
	f.tracker.recent = ring.New[uint64, time.Time](remembered) // as if it had been too long ago
	f.tracker.mu.Unlock()
	s.mend <- struct{}{}
	for {
		outcome, err := s.Publish(t.Context(), testEvent("c"))
		if outcome == Stored {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server did not start anew: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	select {
	case id := <-got:
		if id != "c" {
			t.Errorf("%s was delivered again", id)
		}
	case <-time.After(10 * time.Second):
		t.Error("no more events were delivered")
	}
}

func targetAt(t *testing.T, text string) target.Target {
	t.Helper()
	u, err := httptarget.ParseURL(text)
	if err != nil {
		t.Fatal(err)
	}
	app, err := httptarget.New(httptarget.Options{URL: u})
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// A listener on a cluster retains events for the routes of other listeners, and retries
// dead letters of its own routes only.
func TestRoutesOfSeveralListeners(t *testing.T) {
	_, nc := connectToServer(t)
	open := func(o QueueOptions) *Queue {
		o.Logf = t.Logf
		q, err := NewQueue(t.Context(), nc, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(q.Close)
		return q
	}
	got := make(chan string, 100)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
	}))
	defer app.Close()

	old := open(QueueOptions{})
	mustPublish(t, old, "1", Stored)
	// The first named routes begin where the route without a name is.
	first := open(QueueOptions{Routes: named("a")})
	f, err := first.Forward(ForwardOptions{Route: "a", Target: targetAt(t, app.URL)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Stop(t.Context()) }()
	if id := <-got; id != "1" {
		t.Errorf("got %s", id)
	}
	// Later ones begin now.
	second := open(QueueOptions{Routes: named("a", "b")})
	mustPublish(t, second, "2", Stored)
	if id := <-got; id != "2" {
		t.Errorf("got %s", id)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		_, p, err := first.status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		waiting := map[string]uint64{}
		for _, at := range p.routes {
			waiting[at.route.name] = at.waiting
		}
		if waiting["a"] == 0 {
			if len(waiting) != 3 || waiting["b"] != 1 || waiting[DefaultRoute] != 2 || p.floor != 0 {
				t.Errorf("waiting %v, floor %d", waiting, p.floor)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a is not done: %v", waiting)
		}
	}
	// An admin command sees all routes.
	reader, err := newQueue(t.Context(), nc, QueueOptions{bind: true}.withDefaults(), positions{})
	if err != nil {
		t.Fatal(err)
	}
	status, err := reader.Status(t.Context())
	if err != nil || len(status.Routes) != 3 || status.Routes[1].Name != "a" || !status.Routes[1].Forwarding || status.Routes[2].Forwarding {
		t.Errorf("%+v, %v", status, err)
	}
	for e, err := range reader.List(t.Context(), Waiting) {
		if err != nil || e.State != Waiting {
			t.Errorf("%+v, %v", e, err)
		}
	}
}
