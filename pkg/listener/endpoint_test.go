package listener

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// app is an application. It accepts each event unless answer says otherwise.
type app struct {
	answer func(ctx context.Context, id string) error // nil: accept

	mu     sync.Mutex
	got    []string // ids of accepted events, in order
	closed int
}

func (a *app) Deliver(ctx context.Context, e target.Event) target.Result {
	var err error
	if a.answer != nil {
		err = a.answer(ctx, e.ID)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		a.got = append(a.got, e.ID)
	}
	return target.Result{Err: err}
}

func (a *app) String() string { return "http://app" }

func (a *app) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed++
	return nil
}

func (a *app) ids() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.got)
}

func (a *app) isClosed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.closed > 0
}

// instance is a Listener that serves.
type instance struct {
	*Listener
	t            *testing.T
	url, monitor string
	stop         func()

	mu  sync.Mutex
	log bytes.Buffer
}

func (x *instance) logf(format string, args ...any) {
	x.t.Logf(format, args...)
	x.mu.Lock()
	defer x.mu.Unlock()
	fmt.Fprintf(&x.log, format+"\n", args...)
}

func (x *instance) logged() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.log.String()
}

// serving runs a Listener until the test ends.
func serving(t *testing.T, o Options) *instance {
	t.Helper()
	x := &instance{t: t}
	o.Info, o.Warn = x.logf, x.logf
	var err error
	if x.Listener, err = Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	ports := Ports{Events: []net.Listener{listen(t)}, Monitor: listen(t)}
	x.url, x.monitor = "http://"+ports.Events[0].Addr().String(), "http://"+ports.Monitor.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	served, opened := make(chan error, 1), make(chan struct{})
	go func() {
		served <- x.Serve(ctx, func() (Ports, error) { close(opened); return ports, nil })
	}()
	<-opened
	x.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(x.stop)
	return x
}

// key returns a secret that consists of a text.
func key(text string) webhook.Secret {
	secret, err := webhook.ParseSecret(hex.EncodeToString([]byte(text)))
	if err != nil {
		panic(err)
	}
	return secret
}

func keys(texts ...string) func() []webhook.Secret {
	var secrets []webhook.Secret
	for _, text := range texts {
		secrets = append(secrets, key(text))
	}
	return func() []webhook.Secret { return secrets }
}

// organization returns an endpoint with a path and a secret that have its name.
func organization(t *testing.T, name string, targets ...Target) Endpoint {
	t.Helper()
	return Endpoint{
		Name: name, Receiver: receiver.Options{Path: "/" + name, Secrets: keys(name)},
		Store: &relay.StoreOptions{Dir: filepath.Join(t.TempDir(), name)}, Targets: targets,
	}
}

func to(route string, a target.Target) Target {
	return Target{Route: relay.Route{Name: route, From: relay.FromNow}, Target: a}
}

// send sends an event and returns the status of the answer.
func (x *instance) send(path, id, secret string) int {
	x.t.Helper()
	req, err := webhook.NewRequest(x.t.Context(), x.url+path, fmt.Appendf(nil, `{"id":%q,"type":"t"}`, id), key(secret))
	if err != nil {
		x.t.Fatal(err)
	}
	return x.do(req)
}

func (x *instance) do(req *http.Request) int {
	x.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		x.t.Error(err)
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not in time", what)
		}
	}
}

func TestEndpointsDoNotMix(t *testing.T) {
	t.Parallel()
	one, two := &app{}, &app{}
	x := serving(t, Options{Endpoints: []Endpoint{
		organization(t, "acme", to("lake", one)), organization(t, "beta", to("lake", two)),
	}})
	sub := x.Hub().Subscribe(SubscribeOptions{})
	for _, test := range []struct {
		path, secret string
		want         int
	}{
		{"/acme", "acme", 204},
		{"/beta", "beta", 204},
		{"/acme", "beta", 401},
		{"/beta", "acme", 401},
		{"/", "acme", 404},
		{"/acme/", "acme", 404},
		{"/ACME", "acme", 404},
		{"/acme/beta", "beta", 404},
		{"/beta/../acme", "beta", 404},
		{"//acme", "acme", 404},
	} {
		if got := x.send(test.path, test.secret, test.secret); got != test.want {
			t.Errorf("a request to %s with the secret of %s: %d, want %d", test.path, test.secret, got, test.want)
		}
	}
	// The same id is a different event for each organization.
	if got := x.send("/beta", "acme", "beta"); got != 204 {
		t.Errorf("an id that the other endpoint has: %d", got)
	}
	eventually(t, "all are forwarded", func() bool { return len(one.ids()) == 1 && len(two.ids()) == 2 })
	x.stop()
	if a, b := one.ids(), two.ids(); !slices.Equal(a, []string{"acme"}) || !slices.Equal(b, []string{"beta", "acme"}) {
		t.Errorf("acme got %q, beta got %q", a, b)
	}
	seen := map[string]int{}
	for e := range sub.Events(t.Context()) {
		switch e := e.(type) {
		case Received:
			seen["received at "+e.Record().Endpoint]++
		case Attempted:
			seen[fmt.Sprintf("%s by %s at %s", e.Line().Kind, e.Line().Route, e.Line().Endpoint)]++
		}
	}
	want := map[string]int{
		"received at acme": 2, "received at beta": 3, "received at ": 6,
		"forwarded by lake at acme": 1, "forwarded by lake at beta": 2,
	}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("events: %v, want %v", seen, want)
	}
	if n := x.Count(webhook.Rejected); n != 6 {
		t.Errorf("%d rejected requests", n)
	}
}

// Each metric either concerns the process, or names its endpoint.
func TestEveryMetricNamesItsEndpoint(t *testing.T) {
	t.Parallel()
	x := serving(t, Options{Endpoints: []Endpoint{organization(t, "acme", to("lake", &app{}), to("mail", &app{})), organization(t, "beta", to("lake", &app{}))}})
	for _, e := range []Event{
		Attempted{Endpoint: "acme", Route: "lake"}, Attempted{Endpoint: "beta", Route: "lake", Err: os.ErrClosed},
		DeadLettered{Endpoint: "acme", Route: "mail"},
	} {
		x.Hub().publish(e)
	}
	x.send("/acme", "1", "acme")
	x.send("/beta", "2", "acme")
	x.send("/gamma", "3", "acme")
	text := get(t, x.monitor+"/metrics")
	checkConventions(t, strings.TrimSpace(text))
	for line := range strings.Lines(strings.TrimSpace(text)) {
		ofProcess := strings.HasPrefix(line, "go_") || slices.ContainsFunc([]string{"connections", "unreadable_requests_total", "lines_dropped_total"}, func(name string) bool {
			return strings.HasPrefix(line, "mender_webhooks_"+name+" ")
		})
		// The request to /gamma concerns neither.
		ofNone := strings.Contains(line, `{verdict="rejected",status="404"}`) || strings.HasPrefix(line, "mender_webhooks_answer_duration_seconds")
		if named := strings.Contains(line, `endpoint="acme"`) || strings.Contains(line, `endpoint="beta"`); !strings.HasPrefix(line, "#") && !ofNone && named == ofProcess {
			t.Errorf("%s", line)
		}
	}
	for _, want := range []string{
		`received_total{verdict="valid",status="204",endpoint="acme"} 1`,
		`received_total{verdict="invalid",status="401",endpoint="beta"} 1`,
		`received_total{verdict="rejected",status="404"} 1`,
		`answer_duration_seconds_count{endpoint="acme"} 1`,
		`answer_duration_seconds_count 1`,
		`forward_attempts_total{result="failed",endpoint="acme",route="mail"} 0`,
		`forward_attempts_total{result="failed",endpoint="beta",route="lake"} 1`,
		`dead_lettered_total{endpoint="acme",route="mail"} 1`,
		`waiting{endpoint="acme",route="lake"} 0`,
		`stored_total{endpoint="acme"} 1`,
		`stored_total{endpoint="beta"} 0`,
		`available{endpoint="beta"} 1`,
	} {
		if !strings.Contains(text, "\nmender_webhooks_"+want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// A store that fails stops its endpoint only, and the monitor names it.
func TestABrokenStoreStopsOnlyItsEndpoint(t *testing.T) {
	t.Parallel()
	acme, beta := organization(t, "acme", to("lake", &app{})), organization(t, "beta", to("lake", &app{}))
	x := serving(t, Options{Endpoints: []Endpoint{acme, beta}})
	if text := get(t, x.monitor+"/readyz"); text != "\nok\n" {
		t.Error(text)
	}
	remove := func(e Endpoint) {
		if err := os.Rename(e.Store.Dir, e.Store.Dir+".gone"); err != nil {
			t.Fatal(err)
		}
	}
	remove(acme)
	eventually(t, "events of acme are refused", func() bool { return x.send("/acme", "1", "acme") == 503 })
	if got := x.send("/beta", "1", "beta"); got != 204 {
		t.Errorf("beta answers %d", got)
	}
	status := func() (int, string) {
		resp, err := http.Get(x.monitor + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	if code, text := status(); code != 200 || !strings.HasPrefix(text, "endpoint acme: ") || strings.Contains(text, "beta") {
		t.Errorf("%d %s", code, text)
	}
	remove(beta)
	eventually(t, "none is ready", func() bool {
		code, text := status()
		return code == 503 && strings.Contains(text, "endpoint acme: ") && strings.Contains(text, "endpoint beta: ")
	})
}

func TestAFullStoreStopsOnlyItsEndpoint(t *testing.T) {
	t.Parallel()
	acme := organization(t, "acme", to("lake", &app{answer: func(context.Context, string) error { return os.ErrClosed }}))
	acme.Store.MaxBytes = 64 << 10
	x := serving(t, Options{Endpoints: []Endpoint{acme, organization(t, "beta", to("lake", &app{}))}})
	full := false
	for i := 0; i < 1000 && !full; i++ {
		full = x.send("/acme", fmt.Sprint(i), "acme") == 503
	}
	if !full {
		t.Fatal("the store never is full")
	}
	if got := x.send("/beta", "1", "beta"); got != 204 {
		t.Errorf("beta answers %d", got)
	}
}

func TestWrongEndpointsAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	endpoint := func(name, path string, targets ...Target) Endpoint {
		return Endpoint{Name: name, Receiver: receiver.Options{Path: path}, Store: &relay.StoreOptions{Dir: filepath.Join(dir, name)}, Targets: targets}
	}
	same := endpoint("b", "/b")
	same.Store.Dir = filepath.Join(dir, "x", "..", "a")
	slow := to("lake", &app{})
	slow.Forward.Concurrency = -1
	for want, endpoints := range map[string][]Endpoint{
		"no endpoint": {},
		"an endpoint has no name: with several endpoints":               {endpoint("", "/a"), endpoint("b", "/b")},
		"the endpoint a is given twice":                                 {endpoint("a", "/a"), endpoint("a", "/b")},
		"the endpoints a and b have the same path /a":                   {endpoint("a", "/a"), endpoint("b", "/a")},
		"the endpoints a and b have the same store":                     {endpoint("a", "/a"), same},
		`endpoint A: invalid endpoint "A": must be up to 32`:            {endpoint("A", "/a")},
		`endpoint jetstream: invalid endpoint "jetstream": this is the`: {endpoint("jetstream", "/a")},
		`endpoint a: invalid path "": must begin with a slash`:          {endpoint("a", "")},
		`endpoint a: invalid path "a": must`:                            {endpoint("a", "a")},
		`endpoint a: invalid path "/a?b": must`:                         {endpoint("a", "/a?b")},
		`endpoint a: invalid path "/a%20b": must`:                       {endpoint("a", "/a%20b")},
		`endpoint a: the route lake is given twice`:                     {endpoint("a", "/a", to("lake", &app{}), to("lake", &app{}))},
		`endpoint a: invalid route "Lake"`:                              {endpoint("a", "/a", to("Lake", &app{}))},
		`endpoint a: route lake: concurrency, attempts and age must`:    {endpoint("a", "/a", slow)},
		`2 targets without a store`:                                     {{Targets: []Target{to("lake", &app{}), to("mail", &app{})}}},
	} {
		_, err := Open(t.Context(), Options{Endpoints: endpoints, Info: t.Logf, Warn: t.Logf})
		if err == nil || !strings.HasPrefix(err.Error(), want) || fault.KindOf(err) != fault.Usage {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("a refused endpoint left %v %v", files, err)
	}
}
