package cli

import (
	"fmt"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// eventTable lays events out in a table. A narrow one fits a terminal of 80
// columns: times without the year, events without "device-".
type eventTable struct{ utc, narrow bool }

// WideEnough is the width in columns at which a table need not be narrow.
const WideEnough = 100

// EventTable lays out events for a table as wide as the terminal.
func (a *App) EventTable(utc bool) eventTable {
	width := a.OutWidth()
	return eventTable{utc: utc, narrow: width > 0 && width < WideEnough}
}

func (t eventTable) Columns() []output.Column {
	c := []output.Column{
		{Name: "TIME", Min: TimeWidth(t.utc)}, {Name: "ID", Min: ShortID}, {Name: "EVENT", Min: 22}, {Name: "DEVICE", Min: 36, Shrink: true},
		{Name: "STATUS", Min: 14}, {Name: "DELIVERY", Min: 10, Color: DeliveryColor}, {Name: "ERROR", Shrink: true},
	}
	if t.narrow {
		c[0].Min, c[2].Min, c[3].Min, c[4].Min = 14, 14, ShortID, 8
	}
	return c
}

func (t eventTable) Row(e *mender.Event) []string {
	delivery, problem := DeliveryState(e)
	problem = withoutRequest(problem)
	at, event := output.Time(e.Time, t.utc), string(e.Type)
	if t.narrow {
		_, at, _ = strings.Cut(at, "-")
		event = strings.TrimPrefix(event, "device-")
	}
	return []string{at, Shorten(e.ID), event, e.DeviceID(), string(e.DeviceStatus()), delivery, problem}
}

// Item is an event for a stream. A row is made only where it is shown.
func (t eventTable) Item(p *output.Printer, e *mender.Event) output.Item {
	item := output.Item{Value: e, Name: e.ID}
	if p.Format() == output.Table {
		item.Row = t.Row(e)
	}
	return item
}

// ShortID is how much of an event's id a table shows: enough to name it by.
const ShortID = 8

// Shorten cuts text to width columns, with an ellipsis.
func Shorten(id string) string {
	if len(id) > ShortID {
		return id[:ShortID]
	}
	return id
}

// DeliveryColor colors the result of a delivery.
func DeliveryColor(cell string) output.Color {
	switch {
	case strings.HasPrefix(cell, "ok"):
		return output.Green
	case cell == "-":
		return output.Dim
	}
	return output.Red
}

// DeliveryState sums up an event's deliveries; there is one, since Mender
// allows one integration, but there may be none.
func DeliveryState(e *mender.Event) (state, problem string) {
	state = "-"
	for _, d := range e.DeliveryStatuses {
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

// withoutRequest leaves out of an error in a table what is the same for each
// delivery, so that there is room for the reason: Post "URL": reason.
func withoutRequest(problem string) string {
	if strings.HasPrefix(problem, `Post "`) {
		if _, reason, ok := strings.Cut(problem, `": `); ok {
			return reason
		}
	}
	return problem
}

// TimeWidth is how many columns output.Time takes.
func TimeWidth(utc bool) int {
	width := len("2006-01-02 15:04:05")
	if utc {
		width++ // the Z
	}
	return width
}
