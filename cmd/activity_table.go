package cmd

import (
	"fmt"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// eventTable lays events out in a table. A narrow one fits a terminal of 80
// columns: times without the year, events without "device-".
type eventTable struct{ utc, narrow bool }

// wideEnough is the width in columns at which a table need not be narrow.
const wideEnough = 100

func (a *app) eventTable(utc bool) eventTable {
	width := a.outWidth()
	return eventTable{utc: utc, narrow: width > 0 && width < wideEnough}
}

func (t eventTable) columns() []output.Column {
	c := []output.Column{
		{Name: "TIME", Min: timeWidth(t.utc)}, {Name: "ID", Min: shortID}, {Name: "EVENT", Min: 22}, {Name: "DEVICE", Min: 36, Shrink: true},
		{Name: "STATUS", Min: 14}, {Name: "DELIVERY", Min: 10, Color: deliveryColor}, {Name: "ERROR", Shrink: true},
	}
	if t.narrow {
		c[0].Min, c[2].Min, c[3].Min, c[4].Min = 14, 14, shortID, 8
	}
	return c
}

func (t eventTable) row(e *mender.Event) []string {
	delivery, problem := deliveryState(e)
	problem = withoutRequest(problem)
	at, event := output.Time(e.Time, t.utc), string(e.Type)
	if t.narrow {
		_, at, _ = strings.Cut(at, "-")
		event = strings.TrimPrefix(event, "device-")
	}
	return []string{at, shorten(e.ID), event, e.DeviceID(), string(e.DeviceStatus()), delivery, problem}
}

// item is an event for a stream. A row is made only where it is shown.
func (t eventTable) item(p *output.Printer, e *mender.Event) output.Item {
	item := output.Item{Value: e, Name: e.ID}
	if p.Format() == output.Table {
		item.Row = t.row(e)
	}
	return item
}

// shortID is how much of an event's id a table shows: enough to name it by.
const shortID = 8

func shorten(id string) string {
	if len(id) > shortID {
		return id[:shortID]
	}
	return id
}

func deliveryColor(cell string) output.Color {
	switch {
	case strings.HasPrefix(cell, "ok"):
		return output.Green
	case cell == "-":
		return output.Dim
	}
	return output.Red
}

// deliveryState sums up an event's deliveries; there is one, since Mender
// allows one integration, but there may be none.
func deliveryState(e *mender.Event) (state, problem string) {
	state = "-"
	for _, d := range e.DeliveryStatuses {
		code := ""
		if d.StatusCode != 0 {
			code = fmt.Sprintf(" %d", d.StatusCode)
		}
		if !d.Success {
			return "failed" + code, failureText(d)
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
