package terminal

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"

	"github.com/mender-webhooks/mender-webhooks/pkg/inspector/history"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

func isTerminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// around is how many lines of the screen are not the list or the page: title,
// totals and headings above, status and keys below.
const around = 5

// rows returns how many items of the list are visible.
func (m *model) rows() int { return max(m.height-around, 1) }

// View implements tea.Model.
func (m *model) View() (view tea.View) {
	view.AltScreen = true
	if m.failed != nil {
		return view
	}
	defer func() { m.rescue(recover()) }()
	lines := []string{m.o.Style.Bold(output.Safe(m.o.Title())), m.summary()}
	replay := ""
	if m.o.Replay != nil {
		replay = "r: replay  "
	}
	keys := "enter: details  /: search  v: " + m.o.Verdict + "  " + replay + "p: pause  ?: help  q: quit"
	if m.page != nil {
		lines = append(lines, m.pageLines()...)
		keys = "up, down: scroll  " + replay + "esc: back  ?: help  q: quit"
	} else {
		lines = append(lines, m.listLines()...)
	}
	if len(keys) > m.width {
		keys = "?: help  q: quit"
	}
	for len(lines) < m.height-2 {
		lines = append(lines, "")
	}
	lines = append(lines[:max(m.height-2, 0)], m.statusLine(), m.o.Style.Dim(keys))
	if m.typing {
		prompt := "search: " + m.text
		lines[len(lines)-1] = prompt
		view.Cursor = tea.NewCursor(min(ansi.StringWidth(prompt), m.width-1), len(lines)-1)
	}
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, m.width, "…")
	}
	view.Content = strings.Join(lines[:min(len(lines), m.height)], "\n")
	return view
}

// summary is the line with the totals and the filter.
func (m *model) summary() string {
	text := output.Safe(m.o.Totals())
	if m.verdict > 0 {
		text += "; only " + m.o.Verdicts[m.verdict-1]
	}
	if m.text != "" {
		text += fmt.Sprintf("; only with %q", m.text)
	}
	if m.o.Missed != nil {
		if n := m.o.Missed(); n > 0 {
			text += fmt.Sprintf("; %d not shown", n)
		}
	}
	if m.paused {
		text = m.o.Style.Yellow(fmt.Sprintf("paused, %d new", m.arrived)) + "; " + text
	}
	return text
}

// statusLine is the result of the last action, or else the last message.
func (m *model) statusLine() string {
	if m.status != "" {
		return m.status
	}
	text, _ := m.o.Log.Last()
	return m.o.Style.Dim(plain(strings.Join(strings.Fields(text), " "))) // it may be wrapped
}

// plain removes the colors of a message.
func plain(message string) string { return output.Safe(ansi.Strip(message)) }

func (m *model) listLines() []string {
	lines := []string{m.o.Style.Bold("  " + m.row("TIME", "CODE", strings.ToUpper(m.o.Verdict), "EVENT", "DEVICE", "NOTE"))}
	if len(m.shown) == 0 {
		text := "  no " + m.o.Noun + "s yet"
		if len(m.items) > 0 {
			text = "  no " + m.o.Noun + " matches the filter; esc shows all"
		}
		return append(lines, m.o.Style.Dim(text))
	}
	at := m.index()
	below := m.below(&m.shown[at])
	rows := m.rows() - len(below)
	m.top = max(min(m.top, at, len(m.shown)-rows), at-rows+1, 0)
	for i := m.top; i < min(m.top+rows, len(m.shown)); i++ {
		lines = append(lines, m.line(&m.shown[i], i == at))
		if i == at {
			lines = append(lines, below...)
		}
	}
	return lines
}

// below returns the lines below the selected item: the whole note, if its own line has
// no room for it.
func (m *model) below(i *history.Item) []string {
	note := output.Safe(m.note(i))
	if note == "" || ansi.StringWidth(m.itemText(i)) <= m.width {
		return nil
	}
	lines := strings.Split(ansi.Wrap(note, max(m.width-len(indent), 10), ""), "\n")
	for n, line := range lines {
		lines[n] = indent + line
	}
	return lines[:min(len(lines), m.rows()-1)]
}

func (m *model) row(at, code, verdict, event, device, note string) string {
	return strings.TrimRight(fmt.Sprintf("%-*s %-4s %-9s %-20s %-8s %s", len(m.layout()), at, code, verdict, event, device, note), " ")
}

// indent is in front of a note that continues below its item.
const indent = "    "

// itemText returns the line of an item before it is cut.
func (m *model) itemText(i *history.Item) string {
	event := strings.TrimPrefix(i.Type, "device-")
	switch {
	case event == "":
		event = "not an event"
	case i.Status != "":
		event = strings.TrimSuffix(event, "-changed") + " " + i.Status
	}
	return "  " + m.row(m.clock(i.At, m.layout()), code(i.Answer), output.Safe(cmp.Or(i.Verdict, "-")), output.Safe(event), output.Safe(short(i.Device)), output.Safe(m.note(i)))
}

// line returns the line of an item. The selected one has a mark, which does not
// depend on colors.
func (m *model) line(i *history.Item, selected bool) string {
	text := m.itemText(i)
	if selected {
		text = ">" + text[1:]
	}
	text = ansi.Truncate(text, m.width, "…")
	switch {
	case selected && m.o.Style.Enabled:
		return "\x1b[7m" + text + strings.Repeat(" ", max(m.width-ansi.StringWidth(text), 0)) + "\x1b[0m"
	case !m.o.Good(i.Verdict):
		return m.o.Style.Red(text)
	case m.troubled(i):
		return m.o.Style.Yellow(text)
	}
	return text
}

// short returns the first part of a device's id.
func short(id string) string { return id[:min(len(id), 8)] }

// code returns the text for a status, which is 0 if there was no answer.
func code(status int) string {
	if status == 0 {
		return "-"
	}
	return fmt.Sprint(status)
}

// layout returns the format of the times in the list.
func (m *model) layout() string {
	if m.o.Dates {
		return "01-02 " + time.TimeOnly
	}
	return time.TimeOnly
}

func (m *model) clock(t time.Time, layout string) string {
	if m.o.UTC {
		return t.UTC().Format(layout)
	}
	return t.Local().Format(layout)
}

// words returns a reason as text: wrong-secret becomes "wrong secret".
func words(reason string) string { return strings.ReplaceAll(reason, "-", " ") }

// note returns why a request was refused or a delivery failed, or what became of a
// request's event.
func (m *model) note(i *history.Item) string {
	if i.Kind == history.Logged {
		return i.Error
	}
	var notes []string
	if i.Endpoint != "" {
		notes = append(notes, "at "+i.Endpoint)
	}
	if i.Reason != "" {
		notes = append(notes, words(i.Reason))
	}
	if i.Duplicate {
		notes = append(notes, "duplicate")
	}
	if last := m.outcome(i); last != nil {
		notes = append(notes, attemptText(last))
	}
	return strings.Join(notes, ", ")
}

// outcome returns the last attempt to forward a request's event, or nil. Without a
// store, the request holds it.
func (m *model) outcome(i *history.Item) *history.Item {
	if i.Target != "" {
		return i
	}
	if tried := m.attempts(i); len(tried) > 0 {
		return &tried[len(tried)-1]
	}
	return nil
}

// attempts returns the attempts to forward a request's event from the store.
func (m *model) attempts(i *history.Item) (tried []history.Item) {
	for _, other := range m.items {
		// An attempt may be published before its request.
		if isAttempt(&other) && other.ID == i.ID && other.Endpoint == i.Endpoint && !other.At.Before(i.At) {
			tried = append(tried, other)
		}
	}
	return tried
}

// isAttempt reports whether an item belongs to a request instead of being one.
func isAttempt(i *history.Item) bool { return i.Kind == history.Forwarded || i.Kind == history.Dead }

func attemptText(i *history.Item) string {
	switch {
	case i.Kind == history.Dead:
		return "dead letter: " + output.MaskText(i.Error)
	case i.Error != "":
		return output.MaskText(i.Error)
	}
	return fmt.Sprintf("application %d", i.Code)
}

func (m *model) troubled(i *history.Item) bool {
	last := m.outcome(i)
	return last != nil && (last.Error != "" || last.Code >= 300)
}
