package relay_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func TestMain(m *testing.M) {
	for env, main := range map[string]func() int{childEnv: crashChild, nodeEnv: nodeChild, listenerEnv: runListenerChild} {
		if os.Getenv(env) != "" {
			os.Exit(main()) //nolint:forbidigo // this is the main of the process that is killed
		}
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

// patience is how long a test waits for an expected change.
const patience = 20 * time.Second

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func openStore(t *testing.T, o relay.StoreOptions) *relay.Store {
	t.Helper()
	if o.Logf == nil {
		o.Logf = t.Logf
	}
	s, err := relay.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t *testing.T, s *relay.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func event(id string) relay.Event {
	return relay.Event{
		ID: id, Type: "device-status-changed",
		Header: http.Header{
			"Content-Type":    {"application/json"},
			"User-Agent":      {"Go-http-client/1.1"},
			"X-Men-Algorithm": {"MEN-HMAC-SHA256-Payload"},
			"X-Men-Signature": {"5f"},
		},
		Body: fmt.Appendf(nil, `{"id":%s,"type":"device-status-changed","data":{"id":"d","status":"accepted"}}`, quoted(id)),
	}
}

func quoted(text string) []byte {
	raw, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return raw
}

func publish(t *testing.T, s *relay.Store, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if outcome, err := s.Publish(t.Context(), event(id)); outcome != relay.Stored {
			t.Fatalf("publish %s: %s, %v", id, outcome, err)
		}
	}
}

// application stands in for the application that events are forwarded to. It answers
// with the result of answer, and remembers the events that it accepted.
type application struct {
	*httptest.Server
	mu     sync.Mutex
	answer func(id string, attempt int) int
	tries  map[string]int
	taken  []string
	last   *http.Request
	body   []byte
}

func newApplication(t *testing.T, answer func(id string, attempt int) int) *application {
	t.Helper()
	a := &application{answer: answer, tries: map[string]int{}}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

// newServer runs a handler on loopback, and returns its URL.
func newServer(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	id := idOf(body)
	a.mu.Lock()
	a.tries[id]++
	n := a.tries[id]
	a.last, a.body = r, body
	a.mu.Unlock()
	status := http.StatusOK
	if a.answer != nil {
		status = a.answer(id, n)
	}
	if status/100 == 2 {
		a.mu.Lock()
		a.taken = append(a.taken, id)
		a.mu.Unlock()
	}
	w.WriteHeader(status)
}

func idOf(body []byte) string {
	e, err := webhook.ParseEvent(body)
	if err != nil {
		return err.Error()
	}
	return e.ID
}

func (a *application) took() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.taken...)
}

func (a *application) triesOf(id string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tries[id]
}

// quick returns options with short pauses.
func quick(url string) relay.ForwardOptions {
	return relay.ForwardOptions{Target: to(url), MinPause: time.Millisecond, MaxPause: 20 * time.Millisecond}
}

// to returns a target for a URL.
func to(text string) target.Target {
	u, err := httptarget.ParseURL(text)
	if err != nil {
		panic(err)
	}
	t, err := httptarget.New(httptarget.Options{URL: u, Connections: 16})
	if err != nil {
		panic(err)
	}
	return t
}

func forward(t *testing.T, s *relay.Store, o relay.ForwardOptions) *relay.Forwarder {
	t.Helper()
	f, err := s.Forward(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func ids(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%05d", prefix, i)
	}
	return out
}

func TestForwardKeepsBytesHeadersAndOrder(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir()})
	app := newApplication(t, nil)
	want := ids("e", 50)
	publish(t, s, want...)
	f := forward(t, s, quick(app.URL))
	eventually(t, "all are delivered", func() bool { return len(app.took()) == len(want) })
	if diff := cmp.Diff(want, app.took()); diff != "" {
		t.Error(diff)
	}
	sent := event(want[len(want)-1])
	if diff := cmp.Diff(string(sent.Body), string(app.body)); diff != "" {
		t.Error(diff)
	}
	got := app.last.Header.Clone()
	got.Del("Accept-Encoding") // as Mender sends them
	got.Del("Content-Length")
	if diff := cmp.Diff(sent.Header, got); diff != "" {
		t.Error(diff)
	}
	if err := f.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFailingEventBlocksAndIsReported(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir()})
	var up sync.Map
	app := newApplication(t, func(id string, n int) int {
		if _, ok := up.Load("up"); !ok && id == "b" {
			return http.StatusInternalServerError
		}
		return http.StatusNoContent
	})
	publish(t, s, "a", "b", "c")
	forward(t, s, quick(app.URL))
	eventually(t, "b was tried again", func() bool { return app.triesOf("b") >= 5 })
	status, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !status.Forwarding || status.Blocked == nil || status.Blocked.ID != "b" || status.Blocked.Attempts < 1 ||
		status.Blocked.Reason != "the application answered 500 Internal Server Error" {
		t.Errorf("status %+v, blocked %+v", status, status.Blocked)
	}
	if status.Waiting != 2 || status.Oldest == nil || status.Oldest.ID != "b" || status.Kept != 1 {
		t.Errorf("status %+v", status)
	}
	if diff := cmp.Diff([]string{"a"}, app.took()); diff != "" {
		t.Error("order was not kept:", diff)
	}
	up.Store("up", true)
	eventually(t, "the line moves", func() bool { return len(app.took()) == 3 })
	if diff := cmp.Diff([]string{"a", "b", "c"}, app.took()); diff != "" {
		t.Error(diff)
	}
	eventually(t, "nothing waits", func() bool {
		status, err = s.Status(t.Context())
		return err == nil && status.Waiting == 0
	})
	if status.Blocked != nil || status.Oldest != nil {
		t.Errorf("status %+v", status)
	}
}

func TestDuplicateAfterRestart(t *testing.T) {
	dir := t.TempDir()
	app := newApplication(t, nil)
	s := openStore(t, relay.StoreOptions{Dir: dir})
	f := forward(t, s, quick(app.URL))
	publish(t, s, "a", "b")
	eventually(t, "both are delivered", func() bool { return len(app.took()) == 2 })
	again := func() {
		t.Helper()
		for _, id := range []string{"a", "b"} {
			if outcome, err := s.Publish(t.Context(), event(id)); outcome != relay.Duplicate || err != nil {
				t.Errorf("%s again: %s, %v", id, outcome, err)
			}
		}
	}
	again()
	if err := f.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	s = openStore(t, relay.StoreOptions{Dir: dir})
	if s.Recovery().Unclean {
		t.Error("a closed store counts as not closed")
	}
	forward(t, s, quick(app.URL))
	again()
	publish(t, s, "c")
	eventually(t, "c is delivered", func() bool { return len(app.took()) >= 3 })
	if diff := cmp.Diff([]string{"a", "b", "c"}, app.took()); diff != "" {
		t.Error(diff)
	}
}

func TestSecondOpenerIsRefused(t *testing.T) {
	dir := t.TempDir()
	openStore(t, relay.StoreOptions{Dir: dir})
	_, err := relay.Open(t.Context(), relay.StoreOptions{Dir: dir})
	if !errors.Is(err, relay.ErrInUse) || !strings.Contains(err.Error(), fmt.Sprint("PID ", os.Getpid())) {
		t.Errorf("got %v", err)
	}
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := openStore(t, relay.StoreOptions{Dir: dir})
	publish(t, s, "a")
	for name, want := range map[string]os.FileMode{"": os.ModeDir | 0o700, "server.json": 0o600, "lock": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%q: %v, %v", name, info.Mode(), err)
		}
	}
	closeStore(t, s)
	if _, err := os.Stat(filepath.Join(dir, "server.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the credentials are still there: %v", err)
	}
}

func TestStopFinishesWhatIsInFlight(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir()})
	arrived, release := make(chan struct{}), make(chan struct{})
	app := newApplication(t, func(string, int) int {
		arrived <- struct{}{}
		<-release
		return http.StatusOK
	})
	publish(t, s, "a", "b")
	f := forward(t, s, quick(app.URL))
	<-arrived
	stopped := make(chan error)
	go func() { stopped <- f.Stop(context.Background()) }()
	close(release)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a"}, app.took()); diff != "" {
		t.Error(diff)
	}
	status, err := s.Status(t.Context())
	if err != nil || status.Waiting != 1 || status.Forwarding {
		t.Errorf("%+v, %v", status, err)
	}
}

// An event whose attempt was aborted is returned at once, not after AckWait.
func TestStopAbortsWhenContextEnds(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, relay.StoreOptions{Dir: dir, AckWait: time.Hour})
	arrived, release := make(chan struct{}, 10), make(chan struct{})
	app := newApplication(t, func(_ string, n int) int {
		if n == 1 {
			arrived <- struct{}{}
			<-release
		}
		return http.StatusOK
	})
	defer close(release)
	publish(t, s, "a")
	f := forward(t, s, quick(app.URL))
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	forward(t, s, quick(app.URL))
	eventually(t, "a is tried again", func() bool { return app.triesOf("a") == 2 })
}

// An answer that takes many times as long as AckWait causes no second attempt.
func TestSlowApplicationGetsAnEventOnce(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir(), AckWait: 100 * time.Millisecond})
	app := newApplication(t, func(string, int) int {
		time.Sleep(700 * time.Millisecond) // it is slow
		return http.StatusOK
	})
	publish(t, s, "a", "b")
	forward(t, s, quick(app.URL))
	eventually(t, "both are delivered", func() bool { return len(app.took()) == 2 })
	if app.triesOf("a") != 1 || app.triesOf("b") != 1 {
		t.Errorf("tried %d and %d times", app.triesOf("a"), app.triesOf("b"))
	}
}

// Only a kill causes duplicates: events delivered just before a clean stop are
// recorded.
func TestCleanRestartCausesNoDuplicates(t *testing.T) {
	dir := t.TempDir()
	app := newApplication(t, nil)
	for round := range 5 {
		s := openStore(t, relay.StoreOptions{Dir: dir})
		publish(t, s, ids(fmt.Sprintf("r%d-", round), 50)...)
		f := forward(t, s, quick(app.URL))
		eventually(t, "some are delivered", func() bool { return len(app.took()) > round*40+20 })
		if err := f.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)
	}
	s := openStore(t, relay.StoreOptions{Dir: dir})
	forward(t, s, quick(app.URL))
	eventually(t, "all are delivered", func() bool { return len(app.took()) >= 250 })
	taken := app.took()
	if got := len(slices.Compact(slices.Sorted(slices.Values(taken)))); got != len(taken) {
		t.Errorf("%d of %d deliveries were repeats", len(taken)-got, len(taken))
	}
}
