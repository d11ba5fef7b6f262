package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay/embedded"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// shared is a cluster on which several processes reconcile.
type shared struct {
	*world
	t      *testing.T
	server *embedded.Server
}

func newShared(t *testing.T) *shared {
	t.Helper()
	srv := embedded.New(embedded.Options{Dir: t.TempDir(), Logf: t.Logf, Failing: func() {}})
	t.Cleanup(srv.Close)
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &shared{world: newWorld(), t: t, server: srv}
}

// process returns the queue of one more process.
func (s *shared) process() *relay.Queue {
	s.t.Helper()
	c, err := relay.Dial(s.t.Context(), relay.DialOptions{
		URLs: []string{s.server.Address()}, User: "any", Password: s.server.Password(), AckTimeout: 10 * time.Second,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c.Queue
}

// expire ends the lease as the server does after its time.
func (s *shared) expire() {
	s.t.Helper()
	nc, err := s.server.Connect()
	if err != nil {
		s.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		s.t.Fatal(err)
	}
	leases, err := js.KeyValue(s.t.Context(), "MENDER_LEASE")
	if err == nil {
		err = leases.Purge(s.t.Context(), "reconcile")
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// reconcile makes one run.
func (s *shared) reconcile(q *relay.Queue, change func(*Reconciler)) (Report, error) {
	r := &Reconciler{
		Devices: s.world, Log: s.world, Settle: time.Millisecond,
		Secret: func() webhook.Secret { return webhook.Secret{} },
	}
	if change != nil {
		change(r)
	}
	return (&Stored{Queue: q}).OnCluster(context.Background(), q, owner, r)
}

func (s *shared) mustReconcile(q *relay.Queue) Report {
	s.t.Helper()
	report, err := s.reconcile(q, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return report
}

// stored returns the events in the queue: device and status.
func (s *shared) stored(q *relay.Queue) []string {
	s.t.Helper()
	at, err := q.Position(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	var all []string
	for stored, err := range q.Stretch(s.t.Context(), 0, at.Last) {
		if err != nil {
			s.t.Fatal(err)
		}
		e, err := webhook.ParseEvent(stored.Body)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, fmt.Sprint(e.DeviceID(), " ", statusIn(e)))
	}
	return all
}

// A process is paused in the middle of a run until its lease has ended and another one
// has made a whole run. When it continues, each event is stored once, and the known
// state is that of the other one.
func TestAPausedProcessThatLostItsLease(t *testing.T) {
	for name, pauseAt := range map[string]func(r *Reconciler, s *shared, pause func()){
		"in the scan":        func(r *Reconciler, s *shared, pause func()) { r.Devices = &hooked{s.world, pause} },
		"at the second look": func(_ *Reconciler, s *shared, pause func()) { s.lookedAt = func(int) { pause() } },
		"between two events": func(r *Reconciler, _ *shared, pause func()) {
			r.Announced = func(Announcement) error { pause(); return nil }
		},
		"after the events": func(r *Reconciler, _ *shared, pause func()) {
			r.Progress = func(p Progress) {
				if p.Phase == Checking {
					pause()
				}
			}
		},
	} {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, first run %t", name, first), func(t *testing.T) {
				t.Parallel()
				s := newShared(t)
				one, two := s.process(), s.process()
				for i := range 10 {
					s.set(fmt.Sprint(i), webhook.StatusPending)
				}
				want := []string{"0 rejected", "1 rejected", "2 rejected"}
				before := []webhook.Event{}
				for _, id := range []string{"0", "1", "2"} {
					before = append(before, changed("known-"+id, id, time.Now().Add(-time.Hour), webhook.StatusPending))
					want = append(want, id+" pending")
				}
				for _, e := range before {
					body, err := e.MarshalJSON()
					if err != nil {
						t.Fatal(err)
					}
					if _, err := one.Publish(t.Context(), relay.Event{ID: e.ID, Type: string(e.Type), Body: body}); err != nil {
						t.Fatal(err)
					}
				}
				if !first {
					s.mustReconcile(one)
				}
				for _, id := range []string{"0", "1", "2"} {
					s.set(id, webhook.StatusRejected)
				}
				paused := false
				_, err := s.reconcile(one, func(r *Reconciler) {
					pauseAt(r, s, func() {
						if paused {
							return
						}
						paused = true
						s.lookedAt = nil
						s.expire()
						if report := s.mustReconcile(two); report.Lost || report.Gap {
							t.Errorf("the second process: %+v", report)
						}
					})
				})
				if !paused {
					t.Fatal("the run was not paused")
				}
				if err != nil && !strings.Contains(err.Error(), "the lease was lost") {
					t.Error(err)
				}
				got := s.stored(two)
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("stored %q, want %q", got, want)
				}
				if r := s.mustReconcile(s.process()); r.Devices != 10 || r.Baseline != 0 || r.Missed != 0 || r.Gap || r.Lost {
					t.Errorf("a later run: %+v", r)
				}
				if now := s.stored(two); len(now) != len(want) {
					t.Errorf("a later run stored %q", now[len(want):])
				}
			})
		}
	}
}
