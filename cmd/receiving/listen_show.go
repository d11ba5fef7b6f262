package receiving

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// wideEnough is the minimum width in columns of a terminal for a table that is not
// narrow.
const wideEnough = 120

// recordTable formats what a listener reports as rows of a table. Because rows appear
// as events arrive, a narrow table leaves out the date, "device-" in types, and the
// event's id. For stored events, which queue finds by their id, it leaves out the
// device's status instead, which is then in the note.
type recordTable struct {
	utc, narrow, stores, forwards bool

	hints   bool            // show hints
	secrets int             // number of secrets in use
	hinted  map[string]bool // the hints that were shown
}

// newRecordTable returns the table for a terminal of a width, or for 0 one that shows
// everything in full.
func newRecordTable(width int, o listenOptions) *recordTable {
	return &recordTable{
		utc: o.utc, narrow: width > 0 && width < wideEnough, hints: width > 0, hinted: map[string]bool{},
		stores: o.relay.stores(), forwards: o.relay.forwards(),
	}
}

// The columns of a table that is not narrow.
const (
	columnTime = iota
	columnAnswer
	columnVerdict
	columnID
	columnEvent
	columnDevice
	columnStatus
	columnNote
)

// omitted returns the column that a narrow table leaves out.
func (t *recordTable) omitted() int {
	if t.stores {
		return columnStatus
	}
	return columnID
}

func (t *recordTable) columns() []output.Column {
	c := []output.Column{
		{Name: "TIME", Min: cli.TimeWidth(t.utc)}, {Name: "ANSWER", Color: answerColor},
		{Name: "VERDICT", Min: len("unchecked"), Color: verdictColor}, {Name: "ID", Min: 36, ID: true},
		{Name: "EVENT", Min: 22}, {Name: "DEVICE", Min: 36, ID: true}, {Name: "STATUS", Min: 8}, {Name: "NOTE", Whole: true},
	}
	switch {
	case t.stores:
		c[columnVerdict].Min = len("dead letter")
	case t.forwards:
		c[columnVerdict].Min = len("valid > app 401") // the arrow has one column
	}
	if t.narrow {
		c[columnTime].Min, c[columnEvent].Min = cli.TimeWidth(t.utc)-len("2006-01-02 "), len("status-changed")
		c = slices.Delete(c, t.omitted(), t.omitted()+1)
	}
	return c
}

// row makes the cells of a row narrow if the table is.
func (t *recordTable) row(cells []string) []string {
	if t.narrow {
		_, cells[columnTime], _ = strings.Cut(cells[columnTime], " ")
		cells[columnEvent] = cli.ShortType(cells[columnEvent])
		if t.stores {
			cells[columnNote] = strings.Join(slices.DeleteFunc([]string{cells[columnStatus], cells[columnNote]}, isEmpty), ", ")
		}
		cells = slices.Delete(cells, t.omitted(), t.omitted()+1)
	}
	return cells
}

func isEmpty(text string) bool { return text == "" }

func answerColor(cell string) output.Color {
	switch {
	case cell == "-":
		return output.Dim
	case cell[0] == '2':
		return output.Green
	}
	return output.Red
}

// arrow stands between the verdict and what the application answered.
const arrow = "→ "

func verdictColor(cell string) output.Color {
	verdict, answer, forwarded := strings.Cut(cell, arrow)
	switch verdict = strings.TrimSpace(verdict); {
	case forwarded && !strings.HasPrefix(answer, "app 2") && answer != "program ok":
		return output.Red
	case verdict == string(webhook.Valid), verdict == "" && forwarded:
		return output.Green
	case verdict == string(webhook.Unchecked):
		return output.Yellow
	}
	return output.Red
}

// received returns the row for a request, and a hint if it is the first with its
// problem. If several secrets are in use, the row shows which one matched, so that
// users can see when a rotation is complete.
func (t *recordTable) received(x listener.Received, r receiver.Record) (row []string, hint string) {
	event := webhook.Event{Type: webhook.EventType(r.Type), Data: r.Data}
	verdict, notes := string(r.Verdict), []string{}
	note := func(text string) {
		if text != "" {
			notes = append(notes, text)
		}
	}
	if r.Endpoint != "" {
		note("at " + r.Endpoint)
	}
	note(receiver.Describe(x.Verification))
	hint = receiver.Hint(x.Verification)
	if t.secrets > 1 && r.Secret != "" {
		note("secret " + r.Secret)
	}
	if r.Duplicate {
		note("duplicate")
	}
	if f := r.Forward; f != nil {
		outcome := listener.OutcomeOf(*f, r.Verdict == webhook.Valid)
		verdict += " " + arrow + outcome.Text
		hint = cmp.Or(hint, outcome.Hint)
		note(output.MaskText(f.Error))
		note(fmt.Sprintf("%.1f ms", f.DurationMS))
	} else if r.Status >= 300 && (r.Verdict == webhook.Valid || r.Verdict == webhook.Unchecked) {
		note(notStored(x.Answer))
	}
	return t.row([]string{
		output.Time(r.ReceivedAt, t.utc), fmt.Sprint(r.Status), verdict, r.ID, r.Type,
		event.DeviceID(), string(event.DeviceStatus()), strings.Join(notes, ", "),
	}), t.first(hint)
}

// notStored says why an event that has nothing wrong was not accepted.
func notStored(a receiver.Answer) string {
	if len(a.Body) == 0 {
		return "answered as --respond or --fail-rate asked"
	}
	return strings.TrimSpace(string(a.Body))
}

// attempted returns the row for an attempt to forward a stored event or for a dead
// letter, and a hint if it is the first with its problem.
func (t *recordTable) attempted(line listener.Line) (row []string, hint string) {
	verdict, note := "dead letter", line.Reason
	var notes []string
	if line.Endpoint != "" {
		notes = append(notes, "at "+line.Endpoint)
	}
	if line.Route != "" {
		notes = append(notes, "to "+line.Route)
	}
	if f := line.Forward; f != nil {
		outcome := listener.OutcomeOf(*f, t.secrets > 0)
		verdict, hint = arrow+outcome.Text, outcome.Hint
		notes = append(notes, fmt.Sprintf("attempt %d, %.1f ms", f.Attempt, f.DurationMS))
		if f.Error != "" {
			notes = append(notes, output.MaskText(f.Error))
		}
		if f.PauseMS > 0 {
			notes = append(notes, "next attempt in "+output.Duration(time.Duration(f.PauseMS*float64(time.Millisecond))))
		}
	} else {
		notes = append(notes, note)
	}
	note = strings.Join(notes, ", ")
	return t.row([]string{output.Time(line.At, t.utc), "-", verdict, line.ID, line.Type, "", "", note}), t.first(hint)
}

// first returns a hint unless it was shown before, or hints are not shown.
func (t *recordTable) first(hint string) string {
	if hint == "" || !t.hints || t.hinted[hint] {
		return ""
	}
	t.hinted[hint] = true
	return "hint: " + hint
}
