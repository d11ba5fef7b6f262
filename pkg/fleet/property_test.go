package fleet_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/fleet"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

var (
	fleetSeeds = flag.Int("fleet.seeds", 1, "how many random seeds TestNothingIsMissedInTheEnd tries")
	fleetSize  = flag.Int("fleet.size", 100, "how many devices TestNothingIsMissedInTheEnd has")
)

// application is a target that folds what it receives.
type application struct {
	mu          sync.Mutex
	known       map[string]fleet.Entry
	synthesized []string // devices
	recovered   int
}

func (a *application) Deliver(_ context.Context, e target.Event) target.Result {
	event, err := webhook.ParseEvent(e.Body)
	if err != nil {
		return target.Result{Err: err, Permanent: true}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch e.Header.Get(target.HeaderRebuilt) {
	case "from-state":
		a.synthesized = append(a.synthesized, event.DeviceID())
	case "from-log":
		a.recovered++
	}
	entry := a.known[event.DeviceID()]
	entry.Fold(event)
	a.known[event.DeviceID()] = entry
	return target.Result{Status: http.StatusNoContent}
}

func (a *application) rebuilt() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.synthesized) + a.recovered
}

func (a *application) String() string { return "application" }
func (a *application) Close() error   { return nil }

// site has a sandbox, a listener with a store, and an application. The listener can be
// killed and started again.
type site struct {
	t      *testing.T
	box    *sandbox.Sandbox
	client *mender.Client
	app    *application
	dir    string
	addr   string
	settle time.Duration

	store  *relay.Store
	server *http.Server
}

func newSite(t *testing.T, o sandbox.Options, settle time.Duration) *site {
	t.Helper()
	box, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(box)
	t.Cleanup(func() {
		server.Close()
		_ = box.Close()
	})
	client, err := mender.New(mender.Options{Server: server.URL, Token: box.AdminToken()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	s := &site{t: t, box: box, client: client, app: &application{known: map[string]fleet.Entry{}}, dir: t.TempDir(), addr: "127.0.0.1:0", settle: settle}
	s.listen()
	t.Cleanup(func() { s.kill() })
	_, err = client.CreateIntegration(t.Context(), mender.NewIntegration{
		Provider: "webhook", Credentials: mender.Credentials{Type: "http", HTTP: &mender.HTTPCredentials{URL: "http://" + s.addr + "/"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// listen starts the listener.
func (s *site) listen() {
	var err error
	if s.store, err = relay.Open(context.Background(), relay.StoreOptions{Dir: filepath.Join(s.dir, "store")}); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.store.Forward(relay.ForwardOptions{Target: s.app}); err != nil {
		s.t.Fatal(err)
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = l.Addr().String()
	store := s.store
	s.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		event, parsed := webhook.ParseEvent(body)
		if err = errors.Join(err, parsed); err == nil {
			_, err = store.Publish(r.Context(), relay.Event{ID: event.ID, Type: string(event.Type), Header: r.Header, Body: body})
		}
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})}
	go func(server *http.Server) { _ = server.Serve(l) }(s.server)
}

// kill ends the listener in the middle of everything.
func (s *site) kill() {
	_ = s.server.Close()
	if err := s.store.Close(); err != nil {
		s.t.Error(err)
	}
}

// reconcile makes one run on the store. On a busy machine the store may not answer in
// time; then it makes another one, as a user does.
func (s *site) reconcile(change func(*fleet.Reconciler)) fleet.Report {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		report, err := s.try(s.t.Context(), change)
		if err == nil {
			return report
		}
		if !errors.Is(err, relay.ErrUnavailable) || time.Now().After(deadline) {
			s.t.Fatal(err)
		}
	}
}

func (s *site) try(ctx context.Context, change func(*fleet.Reconciler)) (fleet.Report, error) {
	stored := &fleet.Stored{Queue: s.store.Queue}
	r := &fleet.Reconciler{
		Devices: s.client, Log: eventlog.New(s.client),
		Secret: func() webhook.Secret { return webhook.Secret{} }, Settle: s.settle,
	}
	change(r)
	return stored.InFolder(ctx, filepath.Join(s.dir, "store"), fleet.Owner{Server: s.client.Server()}, r)
}

// drain waits until the application has received everything.
func (s *site) drain() {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		status, err := s.store.Status(s.t.Context())
		if err == nil && status.Waiting == 0 {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the queue is not empty: %+v, %v", status, err)
		}
	}
}

// compare checks that the application knows Mender's state, and returns how many
// devices Mender has.
func (s *site) compare() int {
	s.t.Helper()
	s.app.mu.Lock()
	defer s.app.mu.Unlock()
	actual := map[string]webhook.DeviceStatus{}
	for _, status := range webhook.DeviceStatuses() {
		if status == webhook.StatusDecommissioned {
			continue
		}
		for d, err := range s.client.DevicesByStatus(s.t.Context(), status) {
			if err != nil {
				s.t.Fatal(err)
			}
			actual[d.ID] = d.Status
			if known := s.app.known[d.ID].Status; known != d.Status {
				s.t.Errorf("device %s is %s, and %q for the application", d.ID, d.Status, known)
			}
		}
	}
	for id, known := range s.app.known {
		if actual[id] == "" && !known.Gone() {
			s.t.Errorf("device %s is gone, and %s for the application", id, known.Status)
		}
	}
	return len(actual)
}

// Whatever Mender and the listener lose, the application knows the status of every
// device in the end.
func TestNothingIsMissedInTheEnd(t *testing.T) {
	for seed := range uint64(*fleetSeeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			const limit = 200 * time.Millisecond
			s := newSite(t, sandbox.Options{Seed: seed, Lose: 0.05, LoseEvents: 0.05, DeliveryTimeout: limit}, 2*limit)
			s.reconcile(func(*fleet.Reconciler) {})
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(*fleetSize)*20*time.Millisecond)
			defer cancel()
			var changing sync.WaitGroup
			changing.Go(func() { _ = s.box.RunFleet(ctx, *fleetSize, 200) })
			rnd := rand.New(rand.NewPCG(seed, 1))
			for ctx.Err() == nil {
				pause := func() {
					select {
					case <-time.After(time.Duration(rnd.IntN(300)) * time.Millisecond):
					case <-ctx.Done():
					}
				}
				pause()
				switch service := []string{"inventory", "events", "listener", "reconcile", ""}[rnd.IntN(5)]; service {
				case "":
				case "reconcile": // interrupted, more often than not
					limited, cancel := context.WithTimeout(ctx, time.Duration(rnd.IntN(900))*time.Millisecond)
					_, _ = s.try(limited, func(r *fleet.Reconciler) { r.Force = true })
					cancel()
				case "listener":
					s.kill()
					pause()
					s.listen()
				default:
					s.box.SetServiceDown(service, true)
					pause()
					s.box.SetServiceDown(service, false)
				}
			}
			changing.Wait()
			if err := s.box.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(limit) // an attempt that the sender gave up may still be stored
			report := s.reconcile(func(r *fleet.Reconciler) { r.Deep, r.Force = true, true })
			s.drain()
			devices := s.compare()
			t.Logf("%d devices: %+v", devices, report)
			if s.app.rebuilt() == 0 {
				t.Error("nothing was lost, so that nothing was tested")
			}
			if again := s.reconcile(func(r *fleet.Reconciler) { r.Deep = true }); again.Missed > 0 {
				t.Errorf("a second run found %+v", again)
			}
		})
	}
}

// While devices keep changing, only an event that is really lost is made up for.
func TestOnlyTheLostEventIsSynthesized(t *testing.T) {
	t.Parallel()
	const limit = time.Second
	s := newSite(t, sandbox.Options{DeliveryTimeout: limit}, limit+limit/2)
	const lost = "00000000-0000-4000-8000-000000000001"
	if err := s.box.SetStatus([]string{lost}, webhook.StatusPending); err != nil {
		t.Fatal(err)
	}
	if err := s.box.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.reconcile(func(*fleet.Reconciler) {})
	s.box.SetServiceDown("events", true)
	if err := s.box.SetStatus([]string{lost}, webhook.StatusRejected); err != nil {
		t.Fatal(err)
	}
	s.box.SetServiceDown("events", false)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var changing sync.WaitGroup
	changing.Go(func() { _ = s.box.RunFleet(ctx, 50, 100) })
	for range 2 {
		s.reconcile(func(r *fleet.Reconciler) { r.Force = true })
	}
	cancel()
	changing.Wait()
	s.drain()
	s.app.mu.Lock()
	defer s.app.mu.Unlock()
	if len(s.app.synthesized) != 1 || s.app.synthesized[0] != lost {
		t.Errorf("synthesized events for %q", s.app.synthesized)
	}
}
