package terminal

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/mender-webhooks/mender-webhooks/pkg/inspector/history"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// page is text that covers the list.
type page struct {
	title  string
	lines  []string // safe for a terminal
	number uint64   // of the item that the page shows, or 0
	top    int      // first visible line, after wrapping

	wrapped []string
	width   int // of wrapped
}

func (m *model) open(p *page) { m.page = p }

// pageLines returns the visible lines of the page.
func (m *model) pageLines() []string {
	p := m.page
	if p.width != m.width {
		p.wrapped, p.width = nil, m.width
		for _, line := range p.lines {
			p.wrapped = append(p.wrapped, strings.Split(ansi.Wrap(line, max(m.width, 10), ""), "\n")...)
		}
	}
	p.top = max(min(p.top, len(p.wrapped)-m.rows()), 0)
	return append([]string{m.o.Style.Bold(p.title)}, p.wrapped[p.top:min(p.top+m.rows(), len(p.wrapped))]...)
}

func (m *model) pageKey(name string) {
	switch name {
	case "down", "j":
		m.page.top++
	case "up", "k":
		m.page.top--
	case "pgdown", "ctrl+f":
		m.page.top += m.rows()
	case "pgup", "ctrl+b":
		m.page.top -= m.rows()
	case "home", "g":
		m.page.top = 0
	case "end", "G":
		m.page.top = len(m.page.wrapped)
	case "esc", "enter", "left", "h", "backspace":
		m.page = nil
	}
}

func (m *model) helpPage() *page {
	lines := []string{
		"",
		"up, down, k, j        move; in a page, scroll",
		"page up, page down    move by a screen",
		"home                  go to the newest " + m.o.Noun + ", and follow new ones",
		"end                   go to the oldest " + m.o.Noun,
		"enter                 show the " + m.o.Noun + " in full; back",
		"/                     search by id, event, device or reason",
		"v                     filter by " + m.o.Verdict,
		"esc                   back; in the list, remove the filter",
		"r                     send the request to the application again",
		"p, space              pause the list, and continue",
		"m                     show the messages",
		"q, Ctrl-C             quit, and end the command",
		"",
		"The list has the last 1,000 events.",
	}
	if m.o.Replay != nil {
		return &page{title: "Help", lines: append(lines,
			"A replay sends the same bytes and the same signature. Refused requests are",
			"never sent.",
		)}
	}
	return &page{title: "Help", lines: slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "r ") })}
}

func (m *model) messages() *page {
	text, _ := m.o.Log.Text()
	p := &page{title: "Messages", lines: []string{""}}
	for line := range strings.Lines(text) {
		p.lines = append(p.lines, plain(strings.TrimSuffix(line, "\n")))
	}
	if len(p.lines) == 1 {
		p.lines = append(p.lines, "no messages yet")
	}
	return p
}

func (m *model) openDetails() {
	number := m.number()
	if number == 0 {
		return
	}
	d, err := m.o.Details(number)
	if err != nil {
		m.status = m.o.Style.Red(output.Safe(err.Error()))
		return
	}
	m.cursor = number // while it is open, it stays selected
	m.open(&page{title: strings.TrimSpace(output.Safe(cmp.Or(d.Type, "not an event") + " " + d.ID)), number: number, lines: m.details(&d)})
}

func (m *model) details(d *history.Details) (lines []string) {
	add := func(format string, args ...any) { lines = append(lines, output.Safe(fmt.Sprintf(format, args...))) }
	section := func(title string) { lines = append(lines, "", m.o.Style.Bold(title)) }

	if d.Kind == history.Logged {
		lines = append(lines, m.verdictLine(d, cmp.Or(d.Verdict, "no delivery")))
		add("device %s, logged at %s", cmp.Or(d.Device, "-"), output.Time(d.At, m.o.UTC))
		for _, text := range d.Deliveries {
			add("delivery to %s", text)
		}
	} else {
		lines = append(lines, m.verdictLine(d, fmt.Sprintf("%s: answered %d after %.1f ms", d.Verdict, d.Answer, d.TookMS)))
		if note := m.note(&d.Item); note != "" {
			add("%s", note)
		}
		if d.Fix != "" {
			lines = append(lines, m.o.Style.Yellow("fix: "+output.Safe(d.Fix)))
		}
		add("received at %s from %s, POST %s, %d bytes", output.Time(d.At, m.o.UTC), d.From, d.Path, d.Bytes)
	}
	if tried := m.attempts(&d.Item); len(tried) > 0 {
		section("Forwarding")
		for i := range tried {
			add("%s", m.attemptLine(&tried[i]))
		}
	}
	section("Body")
	if d.Binary {
		add("Bytes that are not UTF-8 are replaced.")
	}
	lines = append(lines, textLines(formatted(d.Body))...)
	if d.Kind != history.Logged { // Mender's log has no headers
		section("Headers")
		lines = append(lines, headerLines(d.Header)...)
	}
	if d.AnswerBody != "" {
		section("Answer")
		lines = append(lines, textLines(d.AnswerBody)...)
	}
	return lines
}

// verdictLine returns the first line of the details, in the color of the verdict.
func (m *model) verdictLine(d *history.Details, text string) string {
	if m.o.Good(d.Verdict) {
		return m.o.Style.Green(output.Safe(text))
	}
	return m.o.Style.Red(output.Safe(text))
}

func (m *model) attemptLine(i *history.Item) string {
	text := m.clock(i.At, time.TimeOnly) + " " + attemptText(i)
	if i.Route != "" {
		text += ", to " + i.Route
	}
	if i.Kind == history.Dead {
		return text
	}
	text += fmt.Sprintf(", attempt %d, %.1f ms", i.Attempt, i.TookMS)
	if i.PauseMS > 0 {
		text += ", again in " + output.Duration(time.Duration(i.PauseMS*float64(time.Millisecond)))
	}
	return text
}

// textLines returns the lines of a text, safe for a terminal.
func textLines(text string) []string {
	return strings.Split(strings.ReplaceAll(output.SafeMultiline(text), "\t", "    "), "\n")
}

// formatted indents JSON, and returns other text as it is.
func formatted(body string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(body), "", "  ") != nil {
		return body
	}
	return b.String()
}

func headerLines(header http.Header) (lines []string) {
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			lines = append(lines, output.Safe(name+": "+value))
		}
	}
	return lines
}
