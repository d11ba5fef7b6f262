package fleet

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

var owner = Owner{Server: "https://mender.example", Organization: "acme"}

// world is Mender with exact clocks: what deviceauth and inventory know, and the log.
type world struct {
	auth      map[string]mender.Device
	inventory map[string]webhook.DeviceStatus
	log       []mender.Event // newest first
	requests  int
	lookedAt  func(n int) // called for each request for devices by id
	looks     int
	fail      error // of the scan, at the device failAt
	failAt    string
}

func newWorld() *world {
	return &world{auth: map[string]mender.Device{}, inventory: map[string]webhook.DeviceStatus{}}
}

func (w *world) set(id string, status webhook.DeviceStatus) {
	w.auth[id] = mender.Device{ID: id, Status: status, AuthSets: []webhook.AuthSet{{ID: "set-" + id, Status: status, PubKey: "key"}}}
	w.inventory[id] = status
}

func (w *world) remove(id string) {
	delete(w.auth, id)
	delete(w.inventory, id)
}

// record adds an event to the log.
func (w *world) record(id, device string, typ webhook.EventType, status webhook.DeviceStatus) {
	e, err := webhook.NewEvent(id, typ, time.Now(), webhook.StatusChange{ID: device, Status: status})
	if err != nil {
		panic(err)
	}
	w.log = slices.Insert(w.log, 0, mender.Event{Event: e})
}

func sorted[V any](m map[string]V) []string {
	ids := make([]string, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (w *world) ScanDevices(_ context.Context, after string) iter.Seq2[mender.DeviceState, error] {
	return func(yield func(mender.DeviceState, error) bool) {
		for _, id := range sorted(w.inventory) {
			if w.fail != nil && id == w.failAt {
				yield(mender.DeviceState{}, w.fail)
				return
			}
			if id > after && !yield(mender.DeviceState{ID: id, Status: w.inventory[id]}, nil) {
				return
			}
			w.requests++
		}
	}
}

func (w *world) DevicesByStatus(_ context.Context, status webhook.DeviceStatus) iter.Seq2[mender.Device, error] {
	return func(yield func(mender.Device, error) bool) {
		for _, id := range sorted(w.auth) {
			for range 2 { // pages shift: everything comes twice
				if d := w.auth[id]; d.Status == status && !yield(d, nil) {
					return
				}
			}
		}
	}
}

func (w *world) DevicesByID(_ context.Context, ids []string) ([]mender.Device, error) {
	w.looks++
	if w.lookedAt != nil {
		w.lookedAt(w.looks)
	}
	var found []mender.Device
	for _, id := range ids {
		if d, ok := w.auth[id]; ok {
			found = append(found, d)
		}
	}
	return found, nil
}

func (w *world) CountDevices(_ context.Context, status webhook.DeviceStatus) (n int, _ error) {
	for _, d := range w.auth {
		if d.Status == status {
			n++
		}
	}
	return n, nil
}

func (w *world) ServerTime(context.Context) (time.Time, error) { return time.Now(), nil }

func (w *world) Events(_ context.Context, q eventlog.Query) iter.Seq2[mender.Event, error] {
	return func(yield func(mender.Event, error) bool) {
		for _, e := range w.log {
			if e.Time.Before(q.Since) || !yield(e, nil) {
				return
			}
		}
	}
}

// app is an application that folds what it receives.
type app struct {
	known  map[string]Entry
	events []webhook.Event
	header []string
	answer func(webhook.Event) (Outcome, error)
}

func (a *app) Send(_ context.Context, e target.Event) (Outcome, error) {
	event, err := webhook.ParseEvent(e.Body)
	if err != nil {
		return "", err
	}
	if a.answer != nil {
		if outcome, err := a.answer(event); err != nil || outcome != Sent {
			return outcome, err
		}
	}
	a.events = append(a.events, event)
	a.header = append(a.header, e.Header.Get(target.HeaderRebuilt))
	entry := a.known[event.DeviceID()]
	entry.Fold(event)
	a.known[event.DeviceID()] = entry
	return Sent, nil
}

// took returns the events since the last call: type, device and status.
func (a *app) took() []string {
	var all []string
	for i, e := range a.events {
		all = append(all, fmt.Sprintf("%s %s %s %s", e.Type, e.DeviceID(), statusIn(e), a.header[i]))
	}
	a.events, a.header = nil, nil
	return all
}

// scene has a world, an application and a state, for runs in synctest's time.
type scene struct {
	*world
	app  *app
	path string
}

func newScene(t *testing.T) *scene {
	return &scene{world: newWorld(), app: &app{known: map[string]Entry{}}, path: filepath.Join(t.TempDir(), "state")}
}

// run reconciles once.
func (s *scene) run(t *testing.T, change func(*Reconciler)) (Report, error) {
	t.Helper()
	return s.runUntil(t.Context(), t, change)
}

func (s *scene) runUntil(ctx context.Context, t *testing.T, change func(*Reconciler)) (Report, error) {
	t.Helper()
	state, err := OpenState(s.path, owner)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = state.Close() }()
	r := &Reconciler{
		Devices: s.world, Log: s.world, State: state, Outbox: s.app, Settle: 2 * time.Minute,
		Secret: func() webhook.Secret { return webhook.Secret{} },
	}
	if change != nil {
		change(r)
	}
	return r.Run(ctx)
}

// mustRun reconciles once, and checks the events that it sends.
func (s *scene) mustRun(t *testing.T, change func(*Reconciler), want ...string) Report {
	t.Helper()
	report, err := s.run(t, change)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.app.took(); !slices.Equal(got, want) {
		t.Errorf("sent\n%q, want\n%q", got, want)
	}
	return report
}

// hooked calls a function at each scan.
type hooked struct {
	*world
	scan func()
}

func (h *hooked) ScanDevices(ctx context.Context, after string) iter.Seq2[mender.DeviceState, error] {
	h.scan()
	return h.world.ScanDevices(ctx, after)
}

// after reports where each scan begins.
type after struct {
	*world
	begins func(after string)
}

func (a *after) ScanDevices(ctx context.Context, id string) iter.Seq2[mender.DeviceState, error] {
	a.begins(id)
	return a.world.ScanDevices(ctx, id)
}

// moving has the device b in the lists of all statuses.
type moving struct{ *world }

func (m *moving) DevicesByStatus(ctx context.Context, status webhook.DeviceStatus) iter.Seq2[mender.Device, error] {
	m.auth["b"] = mender.Device{ID: "b", Status: status}
	return func(yield func(mender.Device, error) bool) {
		m.auth["b"] = mender.Device{ID: "b", Status: status}
		var all []mender.Device
		for d, err := range m.world.DevicesByStatus(ctx, status) {
			if err != nil {
				panic(err)
			}
			all = append(all, d)
		}
		for _, d := range all {
			if !yield(d, nil) {
				return
			}
		}
	}
}
