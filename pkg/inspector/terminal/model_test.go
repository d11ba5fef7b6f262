package terminal

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/mender-webhooks/mender-webhooks/pkg/inspector/history"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// screen is a model without a terminal.
type screen struct {
	*model
	t        *testing.T
	replayed chan uint64
}

func newScreen(t *testing.T) *screen {
	t.Helper()
	s := &screen{t: t, replayed: make(chan uint64, 10)}
	s.model = newModel(t.Context(), Options{
		Title: func() string { return "listening" }, Noun: "request", Verdict: "verdict", Verdicts: []string{"valid", "invalid"}, Log: output.NewHeld(&strings.Builder{}),
		Totals: func() string { return "totals" }, UTC: true, Good: func(verdict string) bool { return verdict == "valid" },
		Details: func(number uint64) (history.Details, error) {
			if number == 1 {
				return history.Details{}, history.ErrGone
			}
			return history.Details{Item: history.Item{Number: number, ID: fmt.Sprint("id", number), Verdict: "valid"}, Body: `{"a":[1,"` + strings.Repeat("x", 100) + `"]}`}, nil
		},
		Replay: func(_ context.Context, number uint64) (history.Attempt, error) {
			s.replayed <- number
			return history.Attempt{Target: "app", Status: 200}, nil
		},
	})
	return s
}

// keys presses keys, by their names.
func (s *screen) keys(names ...string) (quit bool) {
	for _, name := range names {
		key := tea.KeyPressMsg{Code: rune(name[0]), Text: name}
		switch name {
		case "enter":
			key = tea.KeyPressMsg{Code: tea.KeyEnter}
		case "esc":
			key = tea.KeyPressMsg{Code: tea.KeyEscape}
		case "backspace":
			key = tea.KeyPressMsg{Code: tea.KeyBackspace}
		case "ctrl+c":
			key = tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl}
		}
		if _, cmd := s.Update(key); cmd != nil {
			_, quit = cmd().(tea.QuitMsg)
		}
	}
	return quit
}

func (s *screen) add(items ...history.Item) { s.Update(batch{items: items, arrived: len(items)}) }

func (s *screen) text() string { return ansi.Strip(s.View().Content) }

func (s *screen) want(parts ...string) {
	s.t.Helper()
	for _, part := range parts {
		if !strings.Contains(s.text(), part) {
			s.t.Errorf("no %q on the screen:\n%s", part, s.text())
		}
	}
}

func request(number int) history.Item {
	return history.Item{
		Number: uint64(number), Kind: history.Received, ID: fmt.Sprint("id", number), Type: "device-status-changed", //nolint:gosec // small
		Status: fmt.Sprint("s", number), Verdict: "valid", Answer: 204,
	}
}

func TestTheSelectionStaysInPlace(t *testing.T) {
	s := newScreen(t)
	s.want("no requests yet")
	for n := range 100 {
		s.add(request(n + 1))
	}
	s.want("> 00:00:00 204  valid     status s100")
	s.keys("j", "j", "j")
	before := strings.Split(s.text(), "\n")
	s.add(request(101), request(102))
	s.want("> 00:00:00 204  valid     status s97")
	if after := strings.Split(s.text(), "\n"); after[5] != before[5] || !strings.Contains(after[3], "s100") {
		t.Errorf("the lines moved:\n%s", s.text())
	}
	s.keys("g")
	s.add(request(103))
	s.want("> 00:00:00 204  valid     status s103")
	s.keys("G")
	s.want("> 00:00:00 204  valid     status s1")
	s.keys("enter")
	s.want("no longer in the history")
	for n := range maxItems {
		s.add(request(1000 + n))
	}
	if s.want("> 00:00:00 204  valid     status s1000"); len(s.items) != maxItems {
		t.Errorf("%d items", len(s.items))
	}
}

func TestFilterAndSearch(t *testing.T) {
	s := newScreen(t)
	refused := request(2)
	refused.Verdict, refused.Reason = "invalid", "wrong-secret-or-altered-body"
	s.add(request(1), refused)
	s.want("wrong secret or alt")
	s.keys("v", "v")
	if s.want("totals; only invalid"); strings.Contains(s.text(), "status s1") {
		t.Error(s.text())
	}
	s.keys("esc")
	s.want("status s1", "status s2")
	s.keys("/", "S", "1", "2", "backspace")
	if view := s.View(); view.Cursor == nil {
		t.Error("no cursor while typing")
	}
	if s.want("search: S1", "status s1"); strings.Contains(s.text(), "status s2") {
		t.Error(s.text())
	}
	s.Update(tea.PasteMsg{Content: "\x1b[2J\n"})
	s.want(`search: S1\x1b[2J\n`, "no request matches")
	if s.keys("q") {
		t.Error("q quits while typing")
	}
	s.keys("esc")
	s.want("status s1", "status s2")
	if !s.keys("q") || !s.keys("/", "ctrl+c") {
		t.Error("it does not quit")
	}
}

// TestTheSelectedReasonIsWhole selects items whose reason is longer than their line.
func TestTheSelectedReasonIsWhole(t *testing.T) {
	s := newScreen(t)
	reason := "dial tcp 203.0.113.7:443: connect: connection refused " + strings.Repeat("word ", 20) + "\x1b[2J end"
	for n := range 30 {
		i := request(n + 1)
		i.Error, i.Target = fmt.Sprint("no", i.Number, " ", reason), "http://app"
		s.add(i)
	}
	for _, width := range []int{40, 70, 80, 100, 300} {
		s.Update(tea.WindowSizeMsg{Width: width, Height: 24})
		s.keys("g", "j", "j", "j")
		for _, selected := range []string{"no27", "no26", "no1"} {
			whole := selected + " " + strings.Replace(reason, "\x1b", `\x1b`, 1)
			if !strings.Contains(strings.Join(strings.Fields(s.text()), " "), whole) {
				t.Errorf("%d columns: no %q on the screen:\n%s", width, whole, s.text())
			}
			if width < 300 && strings.Count(s.text(), "[2J end") != 1 {
				t.Errorf("%d columns: another reason is whole:\n%s", width, s.text())
			}
			if selected == "no26" {
				s.keys("G")
			} else {
				s.keys("j")
			}
		}
	}
	s.Update(tea.WindowSizeMsg{Width: 80, Height: 6})
	s.want("> 00:00:00 204")
}

func TestPause(t *testing.T) {
	s := newScreen(t)
	s.add(request(1))
	s.keys("p")
	s.add(request(2))
	s.Update(batch{items: []history.Item{request(5000)}, arrived: 4998})
	if s.want("paused, 4999 new"); strings.Contains(s.text(), "status s2") {
		t.Error(s.text())
	}
	s.keys("p")
	s.want("> 00:00:00 204  valid     status s5000", "status s2")
}

func TestDetailsAndReplay(t *testing.T) {
	s := newScreen(t)
	s.add(request(2), request(3),
		history.Item{Number: 4, Kind: history.Forwarded, ID: "id2", Error: "refused", Attempt: 1, PauseMS: 2000},
		history.Item{Number: 5, Kind: history.Dead, ID: "id2", Error: "Post https://u:geheim@h: EOF\x1b[2J"})
	s.want(`dead letter: Post h`) // the line is cut
	s.keys("j", "enter")
	s.want("not an event id2", "refused, attempt 1, 0.0 ms, again in 2s", `https://u:***@h: EOF\x1b[2J`, `"a": [`)
	for _, line := range strings.Split(s.text(), "\n") {
		if ansi.StringWidth(line) > 80 {
			t.Errorf("a line of %d columns: %s", ansi.StringWidth(line), line)
		}
	}
	s.add(request(6)) // the page stays
	results := make(chan tea.Msg, 1)
	s.send = func(msg tea.Msg) { results <- msg }
	s.keys("r")
	s.want("sending…")
	s.Update(<-results)
	if s.want("sent again: app answered 200"); <-s.replayed != 2 {
		t.Error("another request was sent")
	}
	for want, attempt := range map[string]history.Attempt{
		"sent again: exec:/handle succeeded after 1.5 ms": {Target: "exec:/handle", DurationMS: 1.5},
		"replay failed: connection refused":               {Target: "app", Error: "connection refused"},
	} {
		s.o.Replay = func(context.Context, uint64) (history.Attempt, error) { return attempt, nil }
		s.keys("r")
		s.Update(<-results)
		s.want(want)
	}
	s.o.Replay = func(context.Context, uint64) (history.Attempt, error) {
		return history.Attempt{}, errors.New("there is no application")
	}
	s.keys("r")
	s.Update(<-results)
	s.want("not sent: there is no application")
	fmt.Fprintln(s.o.Log, "not held")
	s.o.Log.Hold()
	fmt.Fprint(s.o.Log, "\x1b[33mwarning:\x1b[0m one\nwarning: two\n")
	s.keys("esc", "m")
	s.want("Messages", "warning: one", "warning: two")
}

func TestNoSizeBreaksTheScreen(t *testing.T) {
	s := newScreen(t)
	for n := range 50 {
		i := request(n + 2)
		i.Reason = strings.Repeat("wrong-secret-", 20)
		s.add(i)
	}
	for _, keys := range [][]string{{}, {"j"}, {"enter"}, {"esc", "?"}, {"G"}, {"m"}, {"esc", "/"}} {
		s.keys(keys...)
		for _, size := range [][2]int{{80, 24}, {40, 12}, {1, 1}, {0, 0}, {3, 200}, {300, 2}} {
			s.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			lines := strings.Split(s.text(), "\n")
			if len(lines) > max(size[1], 1) {
				t.Errorf("%v, %v: %d lines", keys, size, len(lines))
			}
			for _, line := range lines {
				if ansi.StringWidth(line) > size[0] {
					t.Errorf("%v, %v: a line of %d columns", keys, size, ansi.StringWidth(line))
				}
			}
		}
	}
}

// TestTheFeedIsBounded lets many events arrive while the screen is stuck.
func TestTheFeedIsBounded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	long := strings.Repeat("x", 100_000)
	f := &feed{o: Options{Log: output.NewHeld(&strings.Builder{}), Items: func(context.Context) iter.Seq[history.Item] {
		return func(yield func(history.Item) bool) {
			for n := range 20_000 {
				i := request(n + 1)
				i.ID, i.Error = long, long
				if !yield(i) {
					return
				}
			}
		}
	}}}
	f.collect(ctx)
	got := make(chan batch, 1)
	go f.deliver(ctx, func(msg tea.Msg) {
		select {
		case got <- msg.(batch):
		case <-ctx.Done():
		}
	})
	select {
	case b := <-got:
		if len(b.items) != maxItems || b.arrived != 20_000 || b.items[maxItems-1].Number != 20_000 || len(b.items[0].ID) != maxName || len(b.items[0].Error) != maxReason {
			t.Errorf("%d items of %d, the last is %d", len(b.items), b.arrived, b.items[len(b.items)-1].Number)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("no batch")
	}
}

// TestEventsOfALog shows items without a request, which cannot be sent again.
func TestEventsOfALog(t *testing.T) {
	s := newScreen(t)
	s.o.Noun, s.o.Verdict, s.o.Dates, s.o.Replay = "event", "delivery", true, nil
	s.o.Details = func(number uint64) (history.Details, error) {
		return history.Details{Item: s.items[number-1], Body: `{"a":1}`, Deliveries: []string{"integration i: 500, failed: wrong-secret\x1b[2J"}}, nil
	}
	s.want("no events yet", "DELIVERY", "v: delivery")
	at := time.Date(2026, 11, 23, 9, 8, 7, 0, time.UTC)
	s.add(history.Item{Number: 1, Kind: history.Logged, At: at, ID: "id1", Type: "device-decommissioned", Device: "769e5a83-259c", Verdict: "invalid", Answer: 500, Error: "wrong-secret"},
		history.Item{Number: 2, Kind: history.Logged, At: at, ID: "id1", Type: "device-provisioned"})
	s.want("> 11-23 09:08:07 -    -         provisioned\n", "  11-23 09:08:07 500  invalid   decommissioned       769e5a83 wrong-secret\n")
	s.keys("j", "enter", "r")
	s.want("device-decommissioned id1\ninvalid\ndevice 769e5a83-259c, logged at 2026-11-23 09:08:07Z\n",
		`delivery to integration i: 500, failed: wrong-secret\x1b[2J`, `"a": 1`)
	for _, not := range []string{"answered", "POST", "Headers", "Forwarding", "replay", "sen"} {
		if strings.Contains(s.text(), not) {
			t.Errorf("%q in the details:\n%s", not, s.text())
		}
	}
	s.keys("?")
	if s.want("filter by delivery", "the newest event"); strings.Contains(s.text(), "application") || strings.Contains(s.text(), "request") {
		t.Error(s.text())
	}
}
