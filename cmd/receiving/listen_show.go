package receiving

import (
	"fmt"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// recordTable returns the columns of listen's table, and a function that makes a
// row fit them. On a narrow terminal, it removes the date from times, since rows
// are shown as events arrive, and "device-" from event types.
func recordTable(width int, utc bool) (columns []output.Column, fit func(row []string)) {
	columns = recordColumns(utc)
	if width == 0 || width >= cli.WideEnough {
		return columns, func([]string) {}
	}
	columns[0].Min, columns[4].Min, columns[5].Min = cli.TimeWidth(utc)-len("2006-01-02 "), len("inventory-changed"), cli.ShortID
	return columns, func(row []string) {
		_, row[0], _ = strings.Cut(row[0], " ")
		row[4] = strings.TrimPrefix(row[4], "device-")
	}
}

func recordColumns(utc bool) []output.Column {
	return []output.Column{
		{Name: "TIME", Min: cli.TimeWidth(utc)}, {Name: "STATUS", Min: 6, Color: answerColor}, {Name: "VERDICT", Min: 9, Color: verdictColor},
		{Name: "ID", Min: cli.ShortID}, {Name: "EVENT", Min: 22}, {Name: "DEVICE", Min: 36, Shrink: true}, {Name: "NOTE", Shrink: true},
	}
}

func answerColor(cell string) output.Color {
	if cell == ranOK || len(cell) > 0 && cell[0] == '2' {
		return output.Green
	}
	return output.Red
}

func verdictColor(cell string) output.Color {
	switch webhook.Verdict(cell) {
	case webhook.Valid:
		return output.Green
	case webhook.Unchecked:
		return output.Yellow
	}
	return output.Red
}

// recordRow returns a row of listen's table. If several secrets are in use, it
// shows which one matched, so that users can see when a rotation is complete.
func recordRow(r receiver.Record, utc, several bool) []string {
	event := webhook.Event{Type: webhook.EventType(r.Type), Data: r.Data}
	device := event.DeviceID()
	note := string(r.Reason)
	if status := event.DeviceStatus(); status != "" {
		note = joinNotes(string(status), note)
	}
	if several && r.Secret != "" {
		note = joinNotes(note, "secret "+r.Secret)
	}
	if r.Duplicate {
		note = joinNotes(note, "duplicate")
	}
	if r.Forward != nil {
		said := fmt.Sprintf("forwarded: %d in %.1f ms", r.Forward.Status, r.Forward.DurationMS)
		if r.Forward.Status == 0 {
			said = "not forwarded"
		}
		note = joinNotes(note, said)
		if r.Forward.Error != "" {
			note = joinNotes(note, output.MaskText(r.Forward.Error))
		}
	}
	return []string{
		output.Time(r.ReceivedAt, utc), fmt.Sprintf("%d", r.Status), string(r.Verdict),
		cli.Shorten(r.ID), r.Type, device, note,
	}
}

func joinNotes(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}

// ranOK is the status of a successful attempt without an HTTP answer: a program.
const ranOK = "ok"

func lineRow(line listener.Line, utc bool) []string {
	status, note := "-", line.Reason
	if line.Route != "" && line.Forward == nil {
		note = "to " + line.Route + ": " + note
	}
	if f := line.Forward; f != nil {
		status = cli.StatusText(f.Status)
		note = fmt.Sprintf("attempt %d, %.1f ms", f.Attempt, f.DurationMS)
		if line.Route != "" {
			note = "to " + line.Route + ": " + note
		}
		if f.Error != "" {
			note = joinNotes(note, output.MaskText(f.Error))
		} else if f.Status == 0 {
			status = ranOK
		}
		if f.PauseMS > 0 {
			note = joinNotes(note, fmt.Sprintf("again in %s", output.Duration(time.Duration(f.PauseMS*float64(time.Millisecond)))))
		}
	}
	return []string{output.Time(line.At, utc), status, line.Kind, cli.Shorten(line.ID), line.Type, "", note}
}
