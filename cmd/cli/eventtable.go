package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// eventTable formats events as rows of a table. To fit a narrow terminal, it leaves out
// the year in times and "device-" in types, and on a very narrow one the seconds.
type eventTable struct {
	utc   bool
	width int // of the terminal, or 0 to show everything in full
}

// The minimum widths in columns of a terminal for full times and types, and for seconds.
const (
	WideEnough   = 100
	forSeconds   = 80
	shortestType = len("status-changed")
)

// EventTable returns a table that suits the width of the terminal.
func (a *App) EventTable(utc bool) eventTable {
	return eventTable{utc: utc, width: a.TableWidth()}
}

func (t eventTable) Columns() []output.Column {
	c := []output.Column{
		{Name: "TIME", Min: TimeWidth(t.utc)}, {Name: "ID", Min: 36, ID: true}, {Name: "EVENT", Min: 22}, {Name: "DEVICE", Min: 36, ID: true},
		{Name: "STATUS", Min: 8}, {Name: "DELIVERY", Min: 10, Color: DeliveryColor}, {Name: "ERROR", Whole: true},
	}
	if t.width > 0 && t.width < WideEnough {
		c[0].Min, c[2].Min = len(ShortTime(output.Time(time.Unix(1, 0), t.utc), t.width)), shortestType
	}
	return c
}

func (t eventTable) Row(e *mender.Event) []string {
	delivery, problem := DeliveryState(e)
	problem = eventlog.WithoutRequest(problem)
	at, event := ShortTime(output.Time(e.Time, t.utc), t.width), string(e.Type)
	if t.width > 0 && t.width < WideEnough {
		event = ShortType(event)
	}
	return []string{at, e.ID, event, e.DeviceID(), string(e.DeviceStatus()), delivery, problem}
}

// Shorten returns the first characters of an id, as tables on a terminal show it.
func Shorten(id string) string { return id[:min(len(id), output.ShortID)] }

// ShortTime returns a time in the format of output.Time for a terminal of a width: without
// the year if it is narrow, and also without seconds if it is very narrow. --since takes
// both.
func ShortTime(at string, width int) string {
	if width == 0 || width >= WideEnough {
		return at
	}
	_, after, ok := strings.Cut(at, "-")
	if !ok {
		return at
	}
	if n := len("01-02 15:04"); width < forSeconds && len(after) > n {
		after = after[:n] + strings.TrimLeft(after[n:], ":0123456789") // Z stays
	}
	return after
}

// ShortDate returns the date of a time in the format of output.Time if the terminal is
// narrow. Unlike ShortTime, it has the year.
func ShortDate(at string, width int) string {
	if width == 0 || width >= WideEnough {
		return at
	}
	date, _, _ := strings.Cut(at, " ")
	return date
}

// ShortType returns an event's type without "device-". --type takes it.
func ShortType(typ string) string { return strings.TrimPrefix(typ, "device-") }

// Item returns the item for an event in a stream. It formats a row only if the output is a
// table.
func (t eventTable) Item(p *output.Printer, e *mender.Event) output.Item {
	item := output.Item{Value: e, Name: e.ID}
	if p.Format() == output.Table {
		item.Row = t.Row(e)
	}
	return item
}

// DeliveryColor returns the color for the result of a delivery.
func DeliveryColor(cell string) output.Color {
	switch {
	case strings.HasPrefix(cell, "ok"):
		return output.Green
	case cell == "-":
		return output.Dim
	}
	return output.Red
}

// DeliveryState returns the result of an event's delivery. There is at most one, because
// Mender allows one integration.
func DeliveryState(e *mender.Event) (state, problem string) {
	state = "-"
	for _, d := range e.Deliveries() {
		code := ""
		if d.StatusCode != 0 {
			code = fmt.Sprintf(" %d", d.StatusCode)
		}
		if !d.Success {
			return "failed" + code, eventlog.FailureText(d)
		}
		state = "ok" + code
	}
	return state, ""
}

// TimeWidth returns the width of output.Time in columns.
func TimeWidth(utc bool) int {
	width := len("2006-01-02 15:04:05")
	if utc {
		width++ // for the Z that marks UTC
	}
	return width
}
