package cli

import (
	"fmt"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// eventTable formats events as rows of a table. To fit in 80 columns, a narrow table leaves
// out the year in times and "device-" in types.
type eventTable struct{ utc, narrow bool }

// WideEnough is the minimum width in columns of a terminal for a table that is not narrow.
const WideEnough = 100

// EventTable returns a table that suits the width of the terminal.
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

// Item returns the item for an event in a stream. It formats a row only if the output is a
// table.
func (t eventTable) Item(p *output.Printer, e *mender.Event) output.Item {
	item := output.Item{Value: e, Name: e.ID}
	if p.Format() == output.Table {
		item.Row = t.Row(e)
	}
	return item
}

// ShortID is how many characters of an event's id tables show.
const ShortID = 8

// Shorten returns the first ShortID characters of an event's id.
func Shorten(id string) string {
	if len(id) > ShortID {
		return id[:ShortID]
	}
	return id
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

// withoutRequest shortens errors of the form `Post "URL": reason` to the reason, because
// the rest is the same for all deliveries.
func withoutRequest(problem string) string {
	if strings.HasPrefix(problem, `Post "`) {
		if _, reason, ok := strings.Cut(problem, `": `); ok {
			return reason
		}
	}
	return problem
}

// TimeWidth returns the width of output.Time in columns.
func TimeWidth(utc bool) int {
	width := len("2006-01-02 15:04:05")
	if utc {
		width++ // for the Z that marks UTC
	}
	return width
}
