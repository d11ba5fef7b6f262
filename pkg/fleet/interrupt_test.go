package fleet

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// moments calls a function before and after each step of a run.
type moments struct {
	*scene
	at func(step string)
}

func (m *moments) ScanDevices(ctx context.Context, after string) iter.Seq2[mender.DeviceState, error] {
	return func(yield func(mender.DeviceState, error) bool) {
		n := 0
		for d, err := range m.world.ScanDevices(ctx, after) {
			if n++; n%150 == 0 {
				m.at("scan")
				err = errors.Join(err, ctx.Err())
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

func (m *moments) DevicesByStatus(ctx context.Context, status webhook.DeviceStatus) iter.Seq2[mender.Device, error] {
	m.at("list of deviceauth")
	return m.world.DevicesByStatus(ctx, status)
}

func (m *moments) DevicesByID(ctx context.Context, ids []string) ([]mender.Device, error) {
	m.at("second look")
	return m.world.DevicesByID(ctx, ids)
}

func (m *moments) CountDevices(ctx context.Context, status webhook.DeviceStatus) (int, error) {
	if status == webhook.StatusAccepted {
		m.at("count")
	}
	return m.world.CountDevices(ctx, status)
}

func (m *moments) Events(ctx context.Context, q eventlog.Query) iter.Seq2[mender.Event, error] {
	m.at("log")
	return m.world.Events(ctx, q)
}

// install makes a run call at. It fails like a request if the run was interrupted.
func (m *moments) install(r *Reconciler) {
	r.Devices, r.Log = interruptible{m}, m
	r.Progress = func(p Progress) { m.at("progress of " + string(p.Phase)) }
	m.app.answer = func(webhook.Event) (Outcome, error) {
		m.at("before an event")
		return Sent, nil
	}
	r.Announced = func(Announcement) error {
		m.at("after an event")
		return nil
	}
}

// interruptible fails as a client does.
type interruptible struct{ *moments }

func (i interruptible) DevicesByID(ctx context.Context, ids []string) ([]mender.Device, error) {
	found, err := i.moments.DevicesByID(ctx, ids)
	return found, errors.Join(err, ctx.Err())
}

func (i interruptible) CountDevices(ctx context.Context, status webhook.DeviceStatus) (int, error) {
	n, err := i.moments.CountDevices(ctx, status)
	return n, errors.Join(err, ctx.Err())
}

// interrupted is a scene with a run that is interrupted, and what it must result in.
type interrupted struct {
	name   string
	change func(*Reconciler)
	known  bool // the run before recorded all devices
	events int
}

func interruptions() []interrupted {
	return []interrupted{
		{"the first run", func(*Reconciler) {}, false, 0},
		{"a bootstrap", func(r *Reconciler) { r.Bootstrap = true }, false, 642},
		{"a later run", func(*Reconciler) {}, true, 26},
		{"a deep run", func(r *Reconciler) { r.Deep = true }, true, 26},
	}
}

func (i interrupted) prepare(t *testing.T) *scene {
	t.Helper()
	s := newScene(t)
	for n := range 620 {
		s.set(fmt.Sprint(10000+n), webhook.StatusPending)
	}
	if i.known {
		s.mustRun(t, nil)
	}
	time.Sleep(time.Hour)
	for n := range 20 {
		s.set(fmt.Sprint(10000+30*n), webhook.StatusAccepted)
	}
	for n := range 2 {
		s.remove(fmt.Sprint(10001 + 600*n))
		s.set(fmt.Sprint(20000+n), webhook.StatusAccepted)
	}
	return s
}

// check compares the known state and the application with Mender, and returns the ids
// of the sent events.
func (i interrupted) check(t *testing.T, s *scene, step string, want int) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	for _, e := range s.app.events {
		ids[e.ID] = true
	}
	if len(ids) != want {
		t.Fatalf("%s: %d events, want %d", step, len(ids), want)
	}
	state := open(t, s.path)
	left := maps.Clone(s.auth)
	for e, err := range state.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		if d := left[e.ID]; !e.Gone() && d.Status != e.Status {
			t.Fatalf("%s: device %s is %q, and %s in the known state", step, e.ID, d.Status, e.Status)
		}
		if told := s.app.known[e.ID].Status; told != "" && told != e.Status {
			t.Fatalf("%s: device %s is %s, and %s for the application", step, e.ID, e.Status, told)
		}
		delete(left, e.ID)
	}
	if len(left) > 0 {
		t.Fatalf("%s: %d devices are unknown", step, len(left))
	}
	return ids
}

// tested reports whether a moment is tested: of many events, only some.
func tested(moment int) bool { return moment < 15 || moment < 100 && moment%7 == 0 || moment%401 == 0 }

// An interruption at any moment loses nothing, and repeats one event at most: the first
// one of a new device, with the same id.
func TestARunCanBeInterruptedAtAnyMoment(t *testing.T) {
	for _, i := range interruptions() {
		t.Run(i.name, func(t *testing.T) {
			count, done := 0, false
			for moment := 1; !done; moment++ {
				if !tested(moment) {
					continue
				}
				synctest.Test(t, func(t *testing.T) {
					s := i.prepare(t)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					n, at := 0, ""
					_, err := s.runUntil(ctx, t, func(r *Reconciler) {
						i.change(r)
						(&moments{s, func(step string) {
							if n++; n == moment {
								at = step
								cancel()
							}
						}}).install(r)
					})
					if done = at == ""; !done && err != nil && !errors.Is(err, context.Canceled) {
						t.Fatalf("%s: %v", at, err)
					}
					s.app.answer = nil
					if _, err := s.run(t, i.change); err != nil {
						t.Fatalf("%s: %v", at, err)
					}
					i.check(t, s, at, i.events)
					if len(s.app.events) > i.events+1 {
						t.Fatalf("%s: %d events, want %d", at, len(s.app.events), i.events)
					}
				})
				count++
			}
			t.Logf("%d moments", count)
		})
	}
}

// left is what a process leaves behind that is killed: its files and the application.
type left struct {
	at    string
	time  time.Time
	files map[string][]byte
	app   app
}

// A process can be killed at any moment: the next one continues with its files. An
// event that it had sent, but not recorded, is sent again with the same id.
func TestARunCanBeKilledAtAnyMoment(t *testing.T) {
	for _, i := range interruptions() {
		t.Run(i.name, func(t *testing.T) {
			var killed []left
			var whole *scene
			var want map[string]bool
			synctest.Test(t, func(t *testing.T) {
				whole = i.prepare(t)
				n := 0
				_, err := whole.run(t, func(r *Reconciler) {
					i.change(r)
					(&moments{whole, func(step string) {
						if n++; tested(n) {
							killed = append(killed, whole.leave(t, step))
						}
					}}).install(r)
				})
				if err != nil {
					t.Fatal(err)
				}
				want = i.check(t, whole, "not killed", i.events)
			})
			for _, l := range killed {
				synctest.Test(t, func(t *testing.T) {
					s := l.restore(t, whole)
					if _, err := s.run(t, i.change); err != nil {
						t.Fatalf("%s: %v", l.at, err)
					}
					if got := i.check(t, s, l.at, i.events); !maps.Equal(got, want) {
						t.Fatalf("%s: the events have other ids", l.at)
					}
				})
			}
			t.Logf("%d moments", len(killed))
		})
	}
}

func (s *scene) leave(t *testing.T, step string) left {
	t.Helper()
	l := left{at: step, time: time.Now().Round(0), files: map[string][]byte{}, app: app{known: maps.Clone(s.app.known), events: slices.Clone(s.app.events), header: slices.Clone(s.app.header)}}
	for _, suffix := range []string{"", ".run", ".again1", ".again2"} {
		text, err := os.ReadFile(s.path + suffix)
		switch {
		case err == nil:
			l.files[suffix] = text
		case !errors.Is(err, os.ErrNotExist):
			t.Fatal(err)
		}
	}
	return l
}

// restore returns a scene at the same moment.
func (l left) restore(t *testing.T, of *scene) *scene {
	t.Helper()
	s := newScene(t)
	s.world = of.world
	known := l.app
	s.app = &known
	for suffix, text := range l.files {
		if err := os.WriteFile(s.path+suffix, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(time.Until(l.time))
	return s
}
