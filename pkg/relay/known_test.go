package relay

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// connectToServer runs a NATS server for the test, and returns it with a connection.
func connectToServer(t *testing.T) (*server.Server, *nats.Conn) {
	t.Helper()
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("not ready")
	}
	nc, err := nats.Connect(srv.ClientURL(), nats.ReconnectBufSize(-1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return srv, nc
}

// sharedQueue opens a queue on a server of the test's own.
func sharedQueue(t *testing.T, o QueueOptions) *Queue {
	t.Helper()
	_, nc := connectToServer(t)
	q, err := newQueue(t.Context(), nc, o.withDefaults(), positions{})
	if err != nil {
		t.Fatal(err)
	}
	q.read = q.readsOnCluster()
	t.Cleanup(q.Close)
	return q
}

func TestOneProcessAtATimeHasTheKnownState(t *testing.T) {
	q := sharedQueue(t, QueueOptions{})
	load := func() (string, bool) {
		t.Helper()
		var b bytes.Buffer
		found, err := q.LoadKnown(t.Context(), &b)
		if err != nil {
			t.Fatal(err)
		}
		return b.String(), found
	}
	if _, found := load(); found {
		t.Error("found before it was saved")
	}
	first, err := q.OpenKnown(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, found := load(); found {
		t.Error("found before it was saved")
	}
	if _, err := q.OpenKnown(t.Context()); !errors.Is(err, ErrLeased) || !strings.Contains(err.Error(), "process") {
		t.Errorf("a second one: %v", err)
	}
	for _, text := range []string{"one", strings.Repeat("two", 1<<20)} {
		if err := first.Save(t.Context(), strings.NewReader(text), Position{}); err != nil {
			t.Fatal(err)
		}
		if got, found := load(); !found || got != text {
			t.Errorf("loaded %d bytes of %d", len(got), len(text))
		}
	}
	ctx, cancel := first.Context(t.Context())
	defer cancel()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), errLeaseLost) {
		t.Error(context.Cause(ctx))
	}
	if err := first.Save(t.Context(), strings.NewReader("three"), Position{}); !errors.Is(err, errLeaseLost) {
		t.Errorf("saved without the lease: %v", err)
	}
	second, err := q.OpenKnown(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}

// A process that was paused for so long that its lease ended notices it late. It
// neither replaces what its successor saved, nor releases the successor's lease.
func TestALostLeaseChangesNothing(t *testing.T) {
	q := sharedQueue(t, QueueOptions{})
	open := func() *Known {
		t.Helper()
		k, err := q.OpenKnown(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	saved := func(k *Known, text string) {
		t.Helper()
		if err := k.Save(t.Context(), strings.NewReader(text), Position{Last: 1}); err != nil {
			t.Fatal(err)
		}
	}
	var late []*Known
	for range 2 {
		k := open()
		saved(k, "of a late one")
		if err := k.leases.Purge(t.Context(), leaseKey); err != nil { // as the server does
			t.Fatal(err)
		}
		late = append(late, k)
	}
	second := open()
	saved(second, "of the second")

	if err := late[0].put(t.Context(), strings.NewReader("late"), Position{Last: 9}); err != nil { // it was paused in Save
		t.Fatal(err)
	}
	if err := late[0].Close(); err != nil {
		t.Error(err)
	}
	if _, err := q.OpenKnown(t.Context()); !errors.Is(err, ErrLeased) {
		t.Errorf("a late one released the lease: %v", err)
	}
	if err := late[1].Save(t.Context(), strings.NewReader("late"), Position{Last: 9}); !errors.Is(err, errLeaseLost) {
		t.Errorf("saved without the lease: %v", err)
	}
	if err := late[1].Close(); err != nil {
		t.Error(err)
	}
	var b bytes.Buffer
	if _, err := q.LoadKnown(t.Context(), &b); err != nil || b.String() != "of the second" {
		t.Errorf("loaded %q, %v", b.String(), err)
	}
	if p, ok := q.read(); !ok || p.Last != 1 {
		t.Errorf("read up to %+v, %t", p, ok)
	}
	saved(second, "more of the second")
	if all, err := second.objects.List(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("%d files, %v", len(all), err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}

	// The bucket of leases is created again: its revisions start over.
	if err := q.js.DeleteKeyValue(t.Context(), q.streamName("LEASE")); err != nil {
		t.Fatal(err)
	}
	third := open()
	saved(third, "of the third")
	b.Reset()
	if _, err := q.LoadKnown(t.Context(), &b); err != nil || b.String() != "of the third" {
		t.Errorf("loaded %q, %v", b.String(), err)
	}
	if err := third.Close(); err != nil {
		t.Error(err)
	}
}

// Events are not removed because the cluster does not answer for a moment.
func TestThePositionIsRememberedWhileTheClusterIsAway(t *testing.T) {
	srv, nc := connectToServer(t)
	q, err := newQueue(t.Context(), nc, QueueOptions{}.withDefaults(), positions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	k, err := q.OpenKnown(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Save(t.Context(), strings.NewReader("state"), Position{Stream: "s", Last: 7}); err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	read := q.readsOnCluster()
	for _, away := range []bool{false, true} {
		if away {
			srv.Shutdown()
			srv.WaitForShutdown()
		}
		if p, ok := read(); !ok || p.Last != 7 || p.Stream != "s" {
			t.Errorf("away %t: %+v, %t", away, p, ok)
		}
	}
}

func TestCleanUpOnAClusterStopsAtUnreadEvents(t *testing.T) {
	app := stuck{make(chan string, 10)}
	q := sharedQueue(t, QueueOptions{Keep: time.Nanosecond})
	f, err := q.Forward(ForwardOptions{Target: app})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Stop(context.Background()) })
	for _, id := range []string{"a", "b", "c"} {
		mustPublish(t, q, id, Stored)
		<-app.taken
	}
	p, err := q.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	k, err := q.OpenKnown(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = k.Close() }()
	for _, last := range []uint64{1, 3} {
		want := last + 1
		if err := k.Save(t.Context(), strings.NewReader("state"), Position{Stream: p.Stream, Last: last}); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the read events are removed", func() bool {
			q.look(t.Context(), nil)
			q.prune(t.Context())
			now, err := q.Position(t.Context())
			if now.First > want {
				t.Fatalf("the first event is %d, want %d", now.First, want)
			}
			return err == nil && now.First == want
		})
	}
}
