package fleet

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// memory is a queue in memory.
type memory struct {
	stream       string
	events, dead []relay.Entry
	removed      int // from the front
	crowded      int // how often it is crowded before it is not
}

func (m *memory) put(e webhook.Event) relay.Entry {
	body, err := e.MarshalJSON()
	if err != nil {
		panic(err)
	}
	entry := relay.Entry{ID: e.ID, Type: string(e.Type), Body: body, Sequence: uint64(len(m.events)) + 1}
	m.events = append(m.events, entry)
	return entry
}

func (m *memory) Position(context.Context) (relay.Position, error) {
	return relay.Position{Stream: m.stream, First: uint64(m.removed) + 1, Last: uint64(len(m.events))}, nil
}

func (m *memory) Stretch(_ context.Context, after, last uint64) iter.Seq2[relay.Entry, error] {
	return func(yield func(relay.Entry, error) bool) {
		for _, e := range m.events[max(int(after), m.removed):last] {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (m *memory) List(_ context.Context, state relay.State) iter.Seq2[relay.Entry, error] {
	return func(yield func(relay.Entry, error) bool) {
		if state != relay.Dead {
			return
		}
		for _, e := range m.dead {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (m *memory) Crowded(context.Context) (bool, error) {
	m.crowded--
	return m.crowded >= 0, nil
}

func (m *memory) Publish(_ context.Context, e relay.Event) (relay.Outcome, error) {
	if slices.ContainsFunc(m.events, func(known relay.Entry) bool { return known.ID == e.ID }) {
		return relay.Duplicate, nil
	}
	event, err := webhook.ParseEvent(e.Body)
	if err != nil {
		return relay.Unavailable, err
	}
	m.put(event)
	return relay.Stored, nil
}

func changed(id, device string, at time.Time, status webhook.DeviceStatus) webhook.Event {
	e, err := webhook.NewEvent(id, webhook.DeviceStatusChanged, at, webhook.StatusChange{ID: device, Status: status})
	if err != nil {
		panic(err)
	}
	return e
}

// known returns what a state has, in its order.
func known(t *testing.T, s *State) string {
	t.Helper()
	var all []string
	for e, err := range s.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s %s %s", e.ID, e.Status, e.Last))
	}
	return strings.Join(all, ", ")
}

func TestTheStateFollowsTheQueue(t *testing.T) {
	now := time.Now()
	m := &memory{stream: "one"}
	s := &Stored{Queue: m, State: open(t, t.TempDir()+"/state")}
	fold := func(want string, wantGap bool) {
		t.Helper()
		_, gap, err := s.Fold(t.Context())
		if got := known(t, s.State); err != nil || got != want || gap != wantGap {
			t.Errorf("got %q (gap %t), want %q; %v", got, gap, want, err)
		}
	}
	m.put(changed("1", "a", now.Add(2*time.Second), webhook.StatusAccepted))
	m.put(changed("2", "b", now, webhook.StatusPending))
	m.events = append(m.events, relay.Entry{ID: "x", Body: []byte("no event"), Sequence: 3})
	fold("a accepted 1, b pending 2", false)
	m.put(changed("3", "a", now.Add(time.Second), webhook.StatusRejected)) // it comes late
	m.put(changed("4", "b", now.Add(time.Second), webhook.StatusAccepted))
	fold("a accepted 1, b accepted 4", false)
	dead := changed("5", "c", now, webhook.StatusPending)
	m.dead = append(m.dead, m.put(dead))
	m.events = m.events[:5]
	fold("a accepted 1, b accepted 4, c pending 5", false)
	m.put(changed("6", "a", now.Add(3*time.Second), webhook.StatusNoAuth))
	m.put(changed("7", "a", now.Add(4*time.Second), webhook.StatusAccepted))
	m.removed = 6 // before it was read
	fold("a accepted 7, b accepted 4, c pending 5", true)
	m.stream, m.events, m.removed = "two", nil, 0
	m.put(changed("10", "d", now, webhook.StatusPending))
	for range 8 { // more than were read of the old stream
		m.put(changed("8", "b", now.Add(5*time.Second), webhook.StatusRejected))
	}
	m.put(changed("9", "c", now.Add(-time.Hour), webhook.StatusRejected)) // it changes nothing
	fold("a accepted 7, b rejected 8, c pending 5, d pending 10", false)
}

func TestArrivedSeesEventsSinceTheFold(t *testing.T) {
	m := &memory{stream: "one"}
	s := &Stored{Queue: m, State: open(t, t.TempDir()+"/state")}
	m.put(changed("1", "a", time.Now(), webhook.StatusAccepted))
	if _, _, err := s.Fold(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, device := range []string{"b", "c"} {
		m.put(changed("e-"+device, device, time.Now(), webhook.StatusAccepted))
		arrived, err := s.Arrived(t.Context())
		if err != nil || arrived("a") || !arrived("b") || arrived("c") != (device == "c") {
			t.Errorf("after %s: a %t, b %t, c %t; %v", device, arrived("a"), arrived("b"), arrived("c"), err)
		}
	}
}

// Webhooks have precedence over events from the state.
func TestEventsWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{crowded: 3}
		told := 0
		s := &Stored{Queue: m, Waiting: func() { told++ }}
		e := target.Event{ID: "1", Body: []byte(`{"id":"1","type":"device-decommissioned","data":{"id":"a"}}`)}
		begin := time.Now()
		if outcome, err := s.Send(t.Context(), e); outcome != Sent || err != nil {
			t.Error(outcome, err)
		}
		if took := time.Since(begin); took != 3*time.Second || told != 1 {
			t.Errorf("waited %s, told %d times", took, told)
		}
		if outcome, err := s.Send(t.Context(), e); outcome != Known || err != nil {
			t.Error(outcome, err)
		}
		m.crowded = 100
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := s.Send(ctx, e); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// If the known state is lost, the queue replaces it, unless it has lost events, too.
func TestALostState(t *testing.T) {
	for name, test := range map[string]struct {
		removed int
		lost    bool
	}{"the queue has everything": {0, false}, "events were removed": {1, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &memory{stream: "one", removed: test.removed}
				w := newWorld()
				for i, device := range []string{"a", "b"} {
					m.put(changed(fmt.Sprint(i), device, time.Now(), webhook.StatusPending))
					w.set(device, webhook.StatusAccepted)
				}
				time.Sleep(time.Hour)
				s := &Stored{Queue: m, State: open(t, t.TempDir()+"/state")}
				r := &Reconciler{Devices: w, Log: w, Settle: 2 * time.Minute, Secret: func() webhook.Secret { return webhook.Secret{} }}
				report, err := s.run(t.Context(), r, func(relay.Position) error { return nil })
				if err != nil || report.Lost != test.lost || report.Baseline != test.removed || report.Missed != 2-test.removed {
					t.Errorf("%+v, %v", report, err)
				}
			})
		})
	}
}
