package fleet

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func event(t *testing.T, id string, typ webhook.EventType, second int, status webhook.DeviceStatus) webhook.Event {
	t.Helper()
	e, err := webhook.NewEvent(id, typ, time.Unix(int64(second), 0), webhook.StatusChange{ID: "d", Status: status})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The order of arrival proves nothing: every order gives the same result.
func TestEventsAreFoldedByTheirTime(t *testing.T) {
	accepted := event(t, "1", webhook.DeviceStatusChanged, 1, webhook.StatusAccepted)
	rejected := event(t, "2", webhook.DeviceStatusChanged, 2, webhook.StatusRejected)
	gone := event(t, "3", webhook.DeviceDecommissioned, 3, "")
	late := event(t, "4", webhook.DeviceStatusChanged, 4, webhook.StatusPending)
	inventory := event(t, "5", webhook.DeviceInventoryChanged, 5, webhook.StatusPending)
	for name, test := range map[string]struct {
		events []webhook.Event
		want   string
	}{
		"in order":              {[]webhook.Event{accepted, rejected}, "2 rejected 2"},
		"reversed":              {[]webhook.Event{rejected, accepted}, "2 rejected 2"},
		"the end":               {[]webhook.Event{accepted, gone, rejected}, "3 decommissioned 3"},
		"after the end":         {[]webhook.Event{gone, late}, "3 decommissioned 3"},
		"the end comes late":    {[]webhook.Event{late, gone}, "3 decommissioned 4"},
		"nothing of the status": {[]webhook.Event{accepted, inventory}, "1 accepted 1"},
	} {
		t.Run(name, func(t *testing.T) {
			var e Entry
			for _, event := range test.events {
				e.Fold(event)
			}
			if got := strings.Join([]string{e.Last, string(e.Status), e.Time.Format("5")}, " "); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func open(t *testing.T, path string) *State {
	t.Helper()
	s, err := OpenState(path, owner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestAStateMergesUpdates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	s := open(t, path)
	now := time.Now()
	entries := func(status webhook.DeviceStatus, ids ...string) []Entry {
		var all []Entry
		for _, id := range ids {
			all = append(all, Entry{ID: id, Status: status, Time: now})
		}
		return all
	}
	old := Entry{ID: "aa", Status: webhook.StatusDecommissioned, Time: now.Add(-9 * 24 * time.Hour)}
	for _, changes := range [][]Entry{entries("pending", "a", "c", "e"), append(entries("accepted", "a"), old), entries("rejected", "b", "c", "f")} {
		if err := s.Update(seqOf(changes), false); err != nil {
			t.Fatal(err)
		}
	}
	if s.HasBaseline() {
		t.Error("no update was a baseline")
	}
	_ = s.Close()
	var got []string
	for e, err := range open(t, path).Entries() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.ID+" "+string(e.Status))
	}
	if want := []string{"a accepted", "b rejected", "c rejected", "e pending", "f rejected"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestAnUpdateThatFailsKeepsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	s := open(t, path)
	if err := s.Update(seqOf([]Entry{{ID: "a"}}), true); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	broken := errors.New("broken")
	err := s.Update(func(yield func(Entry, error) bool) { _ = yield(Entry{ID: "b"}, nil) && yield(Entry{}, broken) }, true)
	after, _ := os.ReadFile(path)
	if !errors.Is(err, broken) || string(before) != string(after) {
		t.Errorf("%v; the file is now %s", err, after)
	}
}

func TestAStateThatDoesNotFitIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	s := open(t, path)
	if _, err := OpenState(path, owner); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a second process: %v", err)
	}
	if err := s.Update(seqOf([]Entry{{ID: "a"}, {ID: "b"}}), true); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	for _, other := range []Owner{{Server: owner.Server, Organization: "other"}, {Server: "https://other.example", Organization: owner.Organization}} {
		if _, err := OpenState(path, other); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "not of") {
			t.Errorf("%s: %v", other, err)
		}
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(whole), "\n")
	for name, text := range map[string]string{
		"cut":            string(whole[:len(whole)-20]),
		"a line missing": lines[0] + lines[1] + lines[3],
		"disordered":     lines[0] + lines[2] + lines[1] + lines[3],
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, path)
		var last error
		for _, err := range s.Entries() {
			last = err
		}
		if last == nil {
			t.Errorf("%s: no error", name)
		}
		_ = s.Close()
	}
	for _, text := range []string{"", "hello\n", "{}\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenState(path, owner); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := OpenState(filepath.Join(path, "no", "state"), owner); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
}

type answering []target.Result

func (a *answering) Deliver(context.Context, target.Event) target.Result {
	r := (*a)[0]
	*a = (*a)[1:]
	return r
}
func (a *answering) String() string { return "app" }
func (a *answering) Close() error   { return nil }

func TestAnApplicationThatCannotBeReachedEndsTheRun(t *testing.T) {
	send := func(r target.Result) (Outcome, error) {
		return To(&answering{r}).Send(t.Context(), target.Event{ID: "e"})
	}
	no := errors.New("connection refused")
	if outcome, err := send(target.Result{Status: 204}); outcome != Sent || err != nil {
		t.Error(outcome, err)
	}
	if outcome, err := send(target.Result{Status: 409, Duplicate: true, Err: no}); outcome != Sent || err != nil {
		t.Error(outcome, err)
	}
	if outcome, err := send(target.Result{Status: 400, Err: no}); outcome != Refused || !errors.Is(err, no) {
		t.Error(outcome, err)
	}
	if _, err := send(target.Result{Err: no}); !errors.Is(err, no) || fault.KindOf(err) != fault.Failed {
		t.Error(err)
	}
}
