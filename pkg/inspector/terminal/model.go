package terminal

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	tea "charm.land/bubbletea/v2"

	"github.com/mender-webhooks/mender-webhooks/pkg/inspector/history"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// model is the state of the screen.
type model struct {
	o       Options
	ctx     context.Context //nolint:containedctx // Bubble Tea passes none to Update
	send    func(tea.Msg)   // sends a message to Update
	replays sync.WaitGroup

	width, height int

	items  []history.Item // oldest first
	shown  []history.Item // the requests or events that match the filter, newest first
	cursor uint64         // number of the selected item, or 0 to stay on the newest
	top    int            // index of the first visible item in shown

	text    string // filter
	verdict int    // filter: an index into Verdicts, plus 1
	typing  bool   // the keys edit text

	paused  bool
	waiting []history.Item // while paused
	arrived int            // while paused

	page    *page  // nil: the list
	status  string // result of the last action
	sending bool   // a replay is in progress
	failed  error  // the screen panicked
}

// replayed is the message with the result of a replay.
type replayed struct {
	attempt history.Attempt
	err     error
}

func newModel(ctx context.Context, o Options) *model {
	return &model{o: o, ctx: ctx, width: 80, height: 24}
}

// Init implements tea.Model.
func (m *model) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (next tea.Model, cmd tea.Cmd) {
	next = m
	defer func() { m.rescue(recover()) }()
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case batch:
		m.receive(msg)
	case replayed:
		m.sending, m.status = false, m.replayText(msg)
	case tea.PasteMsg:
		if m.typing {
			m.search(m.text + msg.Content)
		}
	case tea.KeyPressMsg:
		return m, m.key(msg)
	}
	return m, nil
}

// rescue ends the screen after a panic. Bubble Tea would restore the terminal, too,
// but leave the goroutine that reads keys behind.
func (m *model) rescue(panicked any) {
	if panicked != nil {
		m.failed = fmt.Errorf("the screen panicked: %v", panicked)
		fmt.Fprintf(m.o.Log, "%s\n", debug.Stack())
		go m.send(tea.QuitMsg{})
	}
}

func (m *model) receive(b batch) {
	if m.paused {
		m.waiting, m.arrived = last(append(m.waiting, b.items...)), m.arrived+b.arrived
		return
	}
	m.items = last(append(m.items, b.items...))
	m.refresh()
}

// last returns the last items, as many as the list holds.
func last(items []history.Item) []history.Item {
	if extra := len(items) - maxItems; extra > 0 {
		return slices.Clone(items[extra:])
	}
	return items
}

// refresh applies the filter. The selected item and the lines around it stay
// in place.
func (m *model) refresh() {
	before := m.index()
	m.shown = m.shown[:0]
	for i := range slices.Backward(m.items) {
		if m.matches(&m.items[i]) {
			m.shown = append(m.shown, m.items[i])
		}
	}
	if m.cursor == 0 {
		m.top = 0
		return
	}
	if !slices.ContainsFunc(m.shown, m.selected) { // no longer in the list
		m.cursor = 0
		if n := len(m.shown); n > 0 {
			m.cursor = m.shown[min(before, n-1)].Number
		}
	}
	m.top += m.index() - before
}

func (m *model) matches(i *history.Item) bool {
	if isAttempt(i) || m.verdict > 0 && i.Verdict != m.o.Verdicts[m.verdict-1] {
		return false
	}
	text := strings.ToLower(m.text)
	return text == "" || slices.ContainsFunc([]string{i.ID, i.Type, i.Device, i.Status, i.Reason, i.Error, i.From, i.Endpoint}, func(s string) bool {
		return strings.Contains(strings.ToLower(s), text)
	})
}

func (m *model) selected(i history.Item) bool { return i.Number == m.cursor }

// index returns the index of the selected item in shown.
func (m *model) index() int { return max(slices.IndexFunc(m.shown, m.selected), 0) }

// number returns the number of the selected item, or 0 if there is none.
func (m *model) number() uint64 {
	if len(m.shown) == 0 {
		return 0
	}
	return m.shown[m.index()].Number
}

// key handles a key.
func (m *model) key(msg tea.KeyPressMsg) tea.Cmd {
	name := msg.String()
	switch {
	case name == "ctrl+c":
		return tea.Quit
	case m.typing:
		m.typeKey(name, msg.Text)
		return nil
	}
	m.status = ""
	switch name {
	case "q":
		return tea.Quit
	case "?":
		m.open(m.helpPage())
	case "m":
		m.open(m.messages())
	case "r":
		m.replay()
	case "p", "space":
		m.pause()
	case "/":
		m.page, m.typing = nil, true
	case "v":
		m.page, m.verdict = nil, (m.verdict+1)%(len(m.o.Verdicts)+1)
		m.refresh()
	default:
		if m.page != nil {
			m.pageKey(name)
		} else {
			m.listKey(name)
		}
	}
	return nil
}

func (m *model) listKey(name string) {
	switch name {
	case "down", "j":
		m.move(1)
	case "up", "k":
		m.move(-1)
	case "pgdown", "ctrl+f":
		m.move(m.rows())
	case "pgup", "ctrl+b":
		m.move(-m.rows())
	case "home", "g":
		m.cursor, m.top = 0, 0
	case "end", "G":
		m.move(len(m.shown))
	case "enter", "right", "l":
		m.openDetails()
	case "esc":
		m.text, m.verdict = "", 0
		m.refresh()
	}
}

// move moves the selection down. Above the newest item, it follows the newest
// again.
func (m *model) move(by int) {
	if len(m.shown) == 0 {
		return
	}
	to := min(m.index()+by, len(m.shown)-1)
	if to < 0 || to == 0 && by < 0 {
		m.cursor, m.top = 0, 0
		return
	}
	m.cursor = m.shown[to].Number
}

// typeKey edits the text to search for.
func (m *model) typeKey(name, text string) {
	switch name {
	case "enter":
		m.typing = false
	case "esc":
		m.typing = false
		m.search("")
	case "backspace":
		if runes := []rune(m.text); len(runes) > 0 {
			m.search(string(runes[:len(runes)-1]))
		}
	case "ctrl+u":
		m.search("")
	default:
		m.search(m.text + text)
	}
}

func (m *model) search(text string) {
	if text = output.Safe(text); len(text) <= maxName {
		m.text = text
	}
	m.refresh()
}

func (m *model) pause() {
	if m.paused = !m.paused; !m.paused {
		m.items = last(append(m.items, m.waiting...))
		m.waiting, m.arrived = nil, 0
		m.refresh()
	}
}

// replay sends the selected request to the application, in the background.
func (m *model) replay() {
	number := m.number()
	if m.page != nil {
		number = m.page.number
	}
	switch {
	case m.o.Replay == nil:
	case number == 0:
		m.status = "select a request to send it again"
	case m.sending:
		m.status = "the previous request is still being sent"
	default:
		m.sending, m.status = true, "sending…"
		m.replays.Go(func() {
			attempt, err := m.o.Replay(m.ctx, number)
			m.send(replayed{attempt, err})
		})
	}
}

func (m *model) replayText(r replayed) string {
	switch a := r.attempt; {
	case r.err != nil:
		return m.o.Style.Red("not sent: " + output.Safe(r.err.Error()))
	case a.Error != "":
		return m.o.Style.Red("replay failed: " + output.Safe(output.MaskText(a.Error)))
	case a.Status == 0: // a program
		return m.o.Style.Green(fmt.Sprintf("sent again: %s succeeded after %.1f ms", output.Safe(a.Target), a.DurationMS))
	default:
		return m.o.Style.Green(fmt.Sprintf("sent again: %s answered %d after %.1f ms", output.Safe(a.Target), a.Status, a.DurationMS))
	}
}
