package listener

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// apply applies endpoints, each with the store of the first endpoint of its name.
func (x *instance) apply(endpoints ...Endpoint) {
	x.t.Helper()
	if err := x.Apply(x.t.Context(), endpoints); err != nil {
		x.t.Fatal(err)
	}
}

// with returns the endpoint with other targets.
func (e Endpoint) with(targets ...Target) Endpoint {
	e.Targets = targets
	return e
}

// recorder passes events to an application that outlives it.
type recorder struct{ *app }

func (recorder) Close() error { return nil }

// While events arrive, everything is changed 100 times. Each event is accepted, and
// reaches the route that always exists.
func TestReloadsLoseNothing(t *testing.T) {
	t.Parallel()
	reload(t, organization(t, "acme"), organization(t, "beta"))
}

func TestReloadsOnAClusterLoseNothing(t *testing.T) {
	t.Parallel()
	s := newJetStream(t)
	s.start()
	reload(t, organization(t, "acme").on(s).patient(), organization(t, "beta").on(s).patient())
}

func reload(t *testing.T, acme, beta Endpoint) {
	t.Helper()
	always, sometimes := &app{}, &app{}
	// version is what the n-th reload applies. Everything changes in turn: the target
	// and the settings of one route, another route, a secret and another endpoint.
	version := func(n int) []Endpoint {
		lake := to("lake", recorder{always})
		lake.Settings, lake.Forward.Concurrency = n/4, 1+n/8%2
		e := acme.with(lake)
		if n%2 == 1 {
			e.Targets = append(e.Targets, to("mail", recorder{sometimes}))
		}
		e.Receiver.Secrets = keys("acme", fmt.Sprint("secret", n))
		if n%3 == 1 {
			return []Endpoint{beta.with(to("lake", recorder{sometimes})), e}
		}
		return []Endpoint{e}
	}
	x := serving(t, Options{Endpoints: version(0)})
	var sent atomic.Int64
	stop := make(chan struct{})
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got := x.send("/acme", fmt.Sprint(sent.Add(1)), "acme"); got != 204 {
					t.Errorf("an event was answered with %d", got)
				}
			}
		})
	}
	for n := range 100 {
		x.apply(version(n + 1)...)
	}
	close(stop)
	senders.Wait()
	eventually(t, "all events are forwarded", func() bool {
		got := always.ids()
		slices.Sort(got)
		return len(slices.Compact(got)) == int(sent.Load())
	})
	t.Logf("%d events, %d deliveries", sent.Load(), len(always.ids()))
}

func (x *instance) queueOf(endpoint string) relay.Status {
	x.t.Helper()
	s, err := x.Queue(endpoint).Status(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	return s
}

// An attempt in progress finishes before its route is handed to another target, or
// ends.
func TestAttemptsInProgressFinish(t *testing.T) {
	t.Parallel()
	began, gate := make(chan struct{}, 10), make(chan struct{})
	waits := func(ctx context.Context, _ string) error {
		began <- struct{}{}
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	changed, removed, next := &app{answer: waits}, &app{answer: waits}, &app{}
	acme := organization(t, "acme")
	x := serving(t, Options{Endpoints: []Endpoint{acme.with(to("lake", changed), to("mail", removed))}})
	x.send("/acme", "1", "acme")
	<-began
	<-began
	x.send("/acme", "2", "acme")
	applied := make(chan struct{})
	go func() {
		defer close(applied)
		x.apply(acme.with(to("lake", next)))
	}()
	eventually(t, "the change has begun", func() bool { return len(x.Application("acme").(application)) == 1 })
	close(gate)
	<-applied
	x.send("/acme", "3", "acme")
	eventually(t, "the new target continues", func() bool { return len(next.ids()) == 2 })
	x.stop()
	for name, test := range map[string]struct{ got, want []string }{
		"the changed target": {changed.ids(), []string{"1"}},
		"the removed target": {removed.ids(), []string{"1"}},
		"the new target":     {next.ids(), []string{"2", "3"}},
	} {
		if !slices.Equal(test.got, test.want) {
			t.Errorf("%s got %q, want %q", name, test.got, test.want)
		}
	}
	if !changed.isClosed() || !removed.isClosed() {
		t.Error("a former target is not closed")
	}
	if s := x.logged(); strings.Contains(s, "still being forwarded") {
		t.Error(s)
	}
}

// After the grace period, an attempt is aborted, and the new target gets its event.
func TestAttemptsAreAbortedAfterTheGracePeriod(t *testing.T) {
	t.Parallel()
	began := make(chan struct{}, 10)
	stuck := &app{answer: func(ctx context.Context, _ string) error {
		began <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}}
	next, acme := &app{}, organization(t, "acme")
	o := Options{Endpoints: []Endpoint{acme.with(to("lake", stuck))}}
	o.Server.Grace = time.Millisecond
	x := serving(t, o)
	x.send("/acme", "1", "acme")
	<-began
	x.apply(acme.with(to("lake", next)))
	eventually(t, "the new target gets the event", func() bool { return slices.Equal(next.ids(), []string{"1"}) })
	if s := x.logged(); !strings.Contains(s, "endpoint acme: an event was still being forwarded") {
		t.Error(s)
	}
}

// A removed route holds back nothing, and begins no delivery after Apply has returned.
// It returns at its position.
func TestARemovedRouteBeginsNoDelivery(t *testing.T) {
	t.Parallel()
	acme := organization(t, "acme")
	lake, mail := &app{}, &app{}
	down := &app{answer: func(context.Context, string) error { return os.ErrClosed }}
	kept := to("lake", recorder{lake})
	kept.Settings = "same"
	x := serving(t, Options{Endpoints: []Endpoint{acme.with(kept, to("mail", down))}})
	x.send("/acme", "1", "acme")
	eventually(t, "an attempt fails", func() bool { return len(x.queueOf("acme").Routes) == 2 && x.queueOf("acme").Blocked != nil })
	x.apply(acme.with(kept))
	sub := x.Hub().Subscribe(SubscribeOptions{})
	x.send("/acme", "2", "acme")
	eventually(t, "the other route continues", func() bool { return len(lake.ids()) == 2 })
	if s := x.queueOf("acme"); s.Waiting != 0 {
		t.Errorf("%d events wait for a removed route", s.Waiting)
	}
	x.apply(acme.with(kept, to("mail", mail)))
	eventually(t, "the route is back", func() bool { return slices.Equal(mail.ids(), []string{"1", "2"}) })
	if s := x.logged(); !strings.Contains(s, "endpoint acme: the route mail is back, and continues at its position\n") {
		t.Error(s)
	}
	x.stop()
	for e := range sub.Events(t.Context()) {
		if a, ok := e.(Attempted); ok && a.Route == "mail" && a.Err != nil {
			t.Errorf("an attempt through the removed route: %+v", a)
		}
	}
}

// The last route can be removed, too, and returns at its position, also after a restart.
func TestTheLastRouteIsRemoved(t *testing.T) {
	t.Parallel()
	acme := organization(t, "acme")
	none := acme
	none.Targets = []Target{}
	x := serving(t, Options{Endpoints: []Endpoint{acme.with(to("lake", &app{answer: func(context.Context, string) error { return os.ErrClosed }}))}})
	x.send("/acme", "1", "acme")
	eventually(t, "an attempt fails", func() bool { return x.queueOf("acme").Blocked != nil })
	x.apply(none)
	if s := x.queueOf("acme"); s.Waiting != 0 {
		t.Errorf("%d events wait", s.Waiting)
	}
	x.stop()
	x = serving(t, Options{Endpoints: []Endpoint{none}})
	x.send("/acme", "2", "acme")
	if s := x.queueOf("acme"); s.Waiting != 0 {
		t.Errorf("%d events wait after a restart", s.Waiting)
	}
	lake := &app{}
	x.apply(acme.with(to("lake", lake)))
	eventually(t, "the route is back", func() bool { return slices.Equal(lake.ids(), []string{"1", "2"}) })
}

func TestANewRouteBeginsWhereItSays(t *testing.T) {
	t.Parallel()
	acme := organization(t, "acme")
	x := serving(t, Options{Endpoints: []Endpoint{acme.with(to("lake", &app{}))}})
	x.send("/acme", "1", "acme")
	now, oldest := &app{}, &app{}
	all := to("all", oldest)
	all.Route.From = relay.FromOldest
	x.apply(acme.with(to("lake", &app{}), to("new", now), all))
	x.send("/acme", "2", "acme")
	eventually(t, "both forward", func() bool { return len(now.ids()) > 0 && len(oldest.ids()) == 2 })
	if got := now.ids(); !slices.Equal(got, []string{"2"}) {
		t.Errorf("the route that begins now got %q", got)
	}
	for _, line := range []string{"the route new is new, and begins with the next event\n", "the route all is new, and begins with the oldest stored event\n"} {
		if !strings.Contains(x.logged(), line) {
			t.Errorf("%s was not logged", line)
		}
	}
}

// A route whose settings have not changed keeps its forwarder, and the target that is
// not needed is closed.
func TestAnUnchangedRouteContinues(t *testing.T) {
	t.Parallel()
	acme := organization(t, "acme")
	target := func(settings any) (Target, *app) {
		a := &app{}
		t := to("lake", a)
		t.Settings = settings
		return t, a
	}
	first, a := target([]string{"x"})
	x := serving(t, Options{Endpoints: []Endpoint{acme.with(first)}})
	second, b := target([]string{"x"})
	x.apply(acme.with(second))
	x.send("/acme", "1", "acme")
	eventually(t, "it is forwarded", func() bool { return len(a.ids()) == 1 })
	if a.isClosed() || !b.isClosed() {
		t.Error("the wrong target is closed")
	}
	third, c := target([]string{"y"})
	x.apply(acme.with(third))
	fourth, d := target([]string{"y"})
	fourth.Forward.MaxAttempts = 5
	x.apply(acme.with(fourth))
	x.send("/acme", "2", "acme")
	eventually(t, "it is forwarded", func() bool { return len(d.ids()) == 1 })
	if !a.isClosed() || !c.isClosed() || d.isClosed() {
		t.Error("a changed route kept its target")
	}
}

// If one of several endpoints cannot be opened, nothing changes.
func TestAFailedApplyChangesNothing(t *testing.T) {
	t.Parallel()
	acme, beta, gamma := organization(t, "acme"), organization(t, "beta"), organization(t, "gamma")
	lake := &app{}
	x := serving(t, Options{Endpoints: []Endpoint{acme.with(to("lake", lake))}})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	gamma.Store.Dir = file
	recovering := beta
	recovering.Recover = func(context.Context, *relay.Queue) (<-chan struct{}, error) { return nil, errors.New("not logged in") }
	direct := beta
	direct.Store = nil
	badPath := beta
	badPath.Receiver.Path = "/acme"
	badBody := beta
	badBody.Receiver.MaxBody = -1
	for want, last := range map[string]Endpoint{
		"endpoint gamma: open the store":                       gamma,
		"endpoint beta: not logged in":                         recovering,
		"endpoint beta: there is no store":                     direct,
		"the endpoints acme and beta have the same path /acme": badPath,
		"endpoint beta: invalid body limit -1":                 badBody,
	} {
		var apps []*app
		next := func(route string) Target {
			apps = append(apps, &app{})
			return to(route, apps[len(apps)-1])
		}
		changed := acme.with(next("lake"), next("mail"))
		changed.Receiver.Path, changed.Receiver.Secrets = "/acme", keys("other")
		err := x.Apply(t.Context(), []Endpoint{changed, organization(t, "delta").with(next("lake")), last.with(next("lake"))})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		for i, a := range apps {
			if !a.isClosed() {
				t.Errorf("%s: target %d is not closed", want, i)
			}
		}
		if infos, err := x.Queue("acme").RouteInfos(t.Context()); err != nil || len(infos) != 1 || infos[0].Name != "lake" || infos[0].State != relay.RouteActive {
			t.Errorf("%s: the routes are %v %v", want, infos, err)
		}
		if got := x.send("/acme", want, "acme"); got != 204 {
			t.Errorf("%s: answered %d", want, got)
		}
		if got := x.send("/delta", want, "delta"); got != 404 {
			t.Errorf("%s: another endpoint answers %d", want, got)
		}
	}
	eventually(t, "the current target continues", func() bool { return len(lake.ids()) == 5 })
	if lake.isClosed() {
		t.Error("the current target is closed")
	}
}

// A removed endpoint answers 404 at once, except for requests that it already has. They
// are stored before its store is closed.
func TestARemovedEndpointFinishesItsRequests(t *testing.T) {
	t.Parallel()
	acme, beta := organization(t, "acme"), organization(t, "beta")
	x := serving(t, Options{Endpoints: []Endpoint{acme.with(to("lake", &app{})), beta}})
	conn, err := net.Dial("tcp", strings.TrimPrefix(x.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	body := `{"id":"1","type":"t"}`
	fmt.Fprintf(conn, "POST /beta HTTP/1.1\r\nHost: x\r\nX-Men-Algorithm: MEN-HMAC-SHA256-Payload\r\nX-Men-Signature: %s\r\nContent-Length: %d\r\n\r\n%s",
		key("beta").Sign([]byte(body)), len(body), body[:5])
	removing := x.set.Load().named("beta").endpoint
	eventually(t, "the request has arrived", func() bool {
		if removing.requests.TryLock() {
			removing.requests.Unlock()
			return false
		}
		return true
	})
	applied := make(chan struct{})
	go func() {
		defer close(applied)
		x.apply(acme.with(to("lake", &app{})))
	}()
	eventually(t, "the path is gone", func() bool { return x.send("/beta", "2", "beta") == 404 })
	select {
	case <-applied:
		t.Fatal("the request was not waited for")
	default:
	}
	if got := x.send("/acme", "1", "acme"); got != 204 {
		t.Errorf("acme answers %d meanwhile", got)
	}
	fmt.Fprint(conn, body[5:])
	answer := make([]byte, len("HTTP/1.1 204"))
	if _, err := conn.Read(answer); err != nil || string(answer) != "HTTP/1.1 204" {
		t.Errorf("%q %v", answer, err)
	}
	<-applied
	if s := x.logged(); !strings.Contains(s, "endpoint beta: removed; in its store: 1 waiting, 0 dead letters\n") {
		t.Error(s)
	}
	if x.Queue("beta") != nil || !slices.Equal(x.Endpoints(), []string{"acme"}) {
		t.Error("the endpoint is still there")
	}
	// It returns with its event.
	lake := &app{}
	x.apply(acme.with(to("lake", &app{})), beta.with(Target{Target: lake}))
	eventually(t, "the event is forwarded", func() bool { return slices.Equal(lake.ids(), []string{"1"}) })
}

func TestPathAndSecretAreReplaced(t *testing.T) {
	t.Parallel()
	acme := organization(t, "acme", to("lake", &app{}))
	x := serving(t, Options{Endpoints: []Endpoint{acme}})
	x.send("/acme", "1", "acme")
	moved := acme.with(to("lake", &app{}))
	moved.Receiver.Path, moved.Receiver.Secrets = "/new", keys("new")
	x.apply(moved)
	for _, test := range []struct {
		path, secret string
		want         int
	}{{"/acme", "acme", 404}, {"/new", "acme", 401}, {"/new", "new", 204}} {
		if got := x.send(test.path, test.path+test.secret, test.secret); got != test.want {
			t.Errorf("%s with the secret %s: %d, want %d", test.path, test.secret, got, test.want)
		}
	}
	if s := x.queueOf("acme"); s.Waiting+s.Kept != 2 {
		t.Errorf("the store has %d events", s.Waiting+s.Kept)
	}
}

// A listener without a name for its endpoint can get names, and lose them again.
func TestASingleEndpointGetsAName(t *testing.T) {
	t.Parallel()
	single := Endpoint{Receiver: receiver.Options{Secrets: keys("one")}, Store: &relay.StoreOptions{Dir: t.TempDir()}}
	acme := organization(t, "acme")
	x := serving(t, Options{Endpoints: []Endpoint{single.with(to("lake", &app{}))}})
	if got := x.send("/any", "1", "one"); got != 204 {
		t.Error(got)
	}
	x.apply(acme.with(to("lake", &app{})))
	if a, b := x.send("/any", "2", "one"), x.send("/acme", "2", "acme"); a != 404 || b != 204 {
		t.Error(a, b)
	}
	x.apply(single.with(to("lake", &app{})))
	if a, b := x.send("/any", "3", "one"), x.send("/acme", "3", "acme"); a != 204 || b != 401 {
		t.Error(a, b)
	}
}

// Sending an event again reaches the current targets of its endpoint, also while they
// change.
func TestReplaysUseTheCurrentTargets(t *testing.T) {
	t.Parallel()
	acme, beta := organization(t, "acme"), organization(t, "beta")
	other := &app{}
	kept := func() Target { return Target{Target: recorder{other}, Settings: "same"} }
	first, second := &app{}, &app{}
	x := serving(t, Options{Endpoints: []Endpoint{acme.with(to("lake", first)), beta.with(kept())}})
	event := func(id string) target.Event { return target.Event{ID: id, Header: http.Header{}} }
	before := x.Application("acme")
	if r := before.Deliver(t.Context(), event("1")); r.Err != nil {
		t.Error(r.Err)
	}
	x.apply(acme.with(to("lake", second)), beta.with(kept()))
	if r := before.Deliver(t.Context(), event("2")); !errors.Is(r.Err, errTargetClosed) {
		t.Errorf("the former target: %v", r.Err)
	}
	if r := x.Application("acme").Deliver(t.Context(), event("3")); r.Err != nil {
		t.Error(r.Err)
	}
	if a, b := first.ids(), second.ids(); !slices.Equal(a, []string{"1"}) || !slices.Equal(b, []string{"3"}) || len(other.ids()) > 0 {
		t.Errorf("%q %q %q", a, b, other.ids())
	}
	x.apply(acme, beta.with(kept()))
	if x.Application("acme") != nil || x.Application("gamma") != nil || x.Application("beta") == nil {
		t.Error("there is an application without a target")
	}
}

// A replay in progress is aborted when its target is no longer used.
func TestAReplayDoesNotHoldUpAChange(t *testing.T) {
	t.Parallel()
	acme, began := organization(t, "acme"), make(chan struct{})
	stuck := &app{answer: func(ctx context.Context, _ string) error {
		close(began)
		<-ctx.Done()
		return ctx.Err()
	}}
	x := serving(t, Options{Endpoints: []Endpoint{acme.with(to("lake", stuck))}})
	result := make(chan target.Result)
	go func() { result <- x.Application("acme").Deliver(t.Context(), target.Event{ID: "1"}) }()
	<-began
	x.apply(acme.with(to("lake", &app{})))
	if r := <-result; !errors.Is(r.Err, context.Canceled) {
		t.Error(r.Err)
	}
}

func TestApplyRequiresARunningListener(t *testing.T) {
	t.Parallel()
	acme := organization(t, "acme")
	x := serving(t, Options{Endpoints: []Endpoint{acme}})
	x.stop()
	lake := &app{}
	if err := x.Apply(t.Context(), []Endpoint{acme.with(to("lake", lake))}); !errors.Is(err, errNotServing) || !lake.isClosed() {
		t.Error(err)
	}
	if err := x.Apply(t.Context(), nil); fault.KindOf(err) == fault.Usage {
		t.Error(err)
	}
}

// The settings of a route can change without losing the events that wait for it.
func TestTheSettingsOfARouteChange(t *testing.T) {
	t.Parallel()
	acme, next := organization(t, "acme"), &app{}
	mail := to("mail", &app{answer: func(context.Context, string) error { return os.ErrClosed }})
	mail.Settings = "same"
	x := serving(t, Options{Endpoints: []Endpoint{acme.with(mail)}})
	x.send("/acme", "1", "acme")
	x.send("/acme", "2", "acme")
	mail.Target, mail.Route.WhenFull = next, relay.Skip
	x.apply(acme.with(mail))
	eventually(t, "both are forwarded", func() bool { return slices.Equal(next.ids(), []string{"1", "2"}) })
	mail.Target, mail.Route.From = &app{}, relay.FromOldest
	x.apply(acme.with(mail))
	x.send("/acme", "3", "acme")
	eventually(t, "the route continues", func() bool { return slices.Equal(next.ids(), []string{"1", "2", "3"}) })
	if log := x.logged(); strings.Contains(log, "the route mail") {
		t.Error(log)
	}
}
