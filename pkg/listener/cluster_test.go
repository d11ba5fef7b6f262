package listener

import (
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay/embedded"
)

// jetStream is a JetStream server with an address that works before and after it runs.
type jetStream struct {
	*embedded.Server
	t    *testing.T
	addr string
}

// newJetStream returns a server that is not running yet.
func newJetStream(t *testing.T) *jetStream {
	t.Helper()
	s := &jetStream{Server: embedded.New(embedded.Options{Dir: t.TempDir(), Logf: t.Logf, Failing: func() {}}), t: t}
	t.Cleanup(s.Close)
	front := listen(t)
	t.Cleanup(func() { _ = front.Close() })
	s.addr = "nats://" + front.Addr().String()
	go func() {
		for {
			conn, err := front.Accept()
			if err != nil {
				return
			}
			go s.pass(conn)
		}
	}()
	return s
}

// pass connects a client with the server if it runs.
func (s *jetStream) pass(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", strings.TrimPrefix(s.Address(), "nats://"))
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	_, _ = io.Copy(client, server)
}

func (s *jetStream) start() {
	s.t.Helper()
	if err := s.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// on returns an endpoint that stores events on the server instead.
func (e Endpoint) on(s *jetStream) Endpoint {
	e.Store = nil
	e.Cluster = &relay.DialOptions{URLs: []string{s.addr}, User: "any", Password: s.Password(), Prefix: e.Name + ".mender", Logf: s.t.Logf}
	return e
}

// patient returns an endpoint on a cluster that refuses no event because this machine is
// busy.
func (e Endpoint) patient() Endpoint {
	e.Cluster.AckTimeout = 20 * time.Second
	return e
}

// Endpoints on one cluster have streams of their own, whose routes come and go.
func TestEndpointsOnACluster(t *testing.T) {
	t.Parallel()
	s := newJetStream(t)
	s.start()
	acme, beta := organization(t, "acme").on(s).patient(), organization(t, "beta").on(s).patient()
	one, two, three, four := &app{}, &app{}, &app{}, &app{}
	x := serving(t, Options{Endpoints: []Endpoint{acme.with(to("lake", one)), beta.with(to("lake", two))}})
	send := func(path, id string) {
		t.Helper()
		if got := x.send("/"+path, id, path); got != 204 {
			t.Errorf("%s: %d", path, got)
		}
	}
	send("acme", "1")
	send("beta", "1")
	eventually(t, "both forward", func() bool { return len(one.ids()) == 1 && len(two.ids()) == 1 })
	x.apply(acme.with(to("mail", three), to("lake", recorder{one})), beta.with(to("lake", four)))
	send("acme", "2")
	send("beta", "2")
	eventually(t, "all forward", func() bool { return len(one.ids()) == 2 && len(three.ids()) == 1 && len(four.ids()) == 1 })
	x.apply(acme.with(to("mail", three)))
	send("acme", "3")
	if got := x.send("/beta", "3", "beta"); got != 404 {
		t.Errorf("the removed endpoint: %d", got)
	}
	eventually(t, "the rest forwards", func() bool { return len(three.ids()) == 2 })
	x.stop()
	for i, test := range []struct {
		a    *app
		want []string
	}{{one, []string{"1", "2"}}, {two, []string{"1"}}, {three, []string{"2", "3"}}, {four, []string{"2"}}} {
		if got := test.a.ids(); !slices.Equal(got, test.want) {
			t.Errorf("application %d got %q, want %q", i+1, got, test.want)
		}
	}
}

// Until a cluster is available, a change concerns only the targets that it will get.
func TestApplyWhileTheClusterIsAway(t *testing.T) {
	t.Parallel()
	s := newJetStream(t)
	acme, beta := organization(t, "acme").on(s), organization(t, "beta")
	first, second := &app{}, &app{}
	x := serving(t, Options{Endpoints: []Endpoint{acme.with(to("lake", first)), beta}})
	x.apply(acme.with(to("mail", second)), beta)
	if !first.isClosed() || second.isClosed() {
		t.Error("the wrong target is closed")
	}
	if a, b := x.send("/acme", "1", "acme"), x.send("/beta", "1", "beta"); a != 503 || b != 204 {
		t.Error(a, b)
	}
	s.start()
	eventually(t, "the cluster is available", func() bool { return x.send("/acme", "2", "acme") == 204 })
	eventually(t, "the event is forwarded", func() bool { return len(second.ids()) == 1 })
	if infos, err := x.Queue("acme").RouteInfos(t.Context()); err != nil || len(infos) != 1 || infos[0].Name != "mail" {
		t.Errorf("the routes are %v %v", infos, err)
	}
}

// A changed route continues once its cluster is available again. A new one is refused
// meanwhile, because its position is unknown.
func TestAChangeWaitsForTheCluster(t *testing.T) {
	t.Parallel()
	s := newJetStream(t)
	s.start()
	acme := organization(t, "acme").on(s)
	old, next := &app{}, &app{}
	x := serving(t, Options{Endpoints: []Endpoint{acme.with(to("lake", old), to("mail", &app{}))}})
	s.Stop()
	if err := x.Apply(t.Context(), []Endpoint{acme.with(to("lake", &app{}), to("new", &app{}))}); err == nil {
		t.Error("a route was added to a cluster that is away")
	}
	if old.isClosed() {
		t.Error("a failed change closed a target")
	}
	x.apply(acme.with(to("lake", next)))
	if log := x.logged(); !old.isClosed() || !strings.Contains(log, "a changed route is not forwarding yet, trying again: forward to http://app: ") {
		t.Error(log)
	}
	s.start()
	eventually(t, "the cluster is available", func() bool { return x.send("/acme", "1", "acme") == 204 })
	eventually(t, "the new target gets events", func() bool { return len(next.ids()) == 1 })
}

// An endpoint whose cluster refuses it does not stop the others.
func TestARefusedEndpointStopsNoOther(t *testing.T) {
	t.Parallel()
	s := newJetStream(t)
	acme, beta := organization(t, "acme").on(s), organization(t, "beta")
	acme.Cluster.Password = "wrong"
	x := serving(t, Options{Endpoints: []Endpoint{acme.with(to("lake", &app{})), beta}})
	s.start()
	eventually(t, "the cluster refuses the endpoint", func() bool { return strings.Contains(x.logged(), "; its events are refused with 503\n") })
	if a, b := x.send("/acme", "1", "acme"), x.send("/beta", "1", "beta"); a != 503 || b != 204 {
		t.Error(a, b)
	}
}
