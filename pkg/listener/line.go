package listener

import (
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// Line is an Attempted or a DeadLettered as one line of listen's JSON output. For
// a Received, use Record.
type Line struct {
	Kind     string            `json:"kind"`               // forwarded or dead
	At       time.Time         `json:"at"`                 // in UTC
	Endpoint string            `json:"endpoint,omitempty"` // as in Received
	ID       string            `json:"id"`
	Type     string            `json:"type"`
	Route    string            `json:"route,omitempty"`   // unless it is relay.DefaultRoute
	Forward  *receiver.Forward `json:"forward,omitempty"` // set for an attempt
	Reason   string            `json:"reason,omitempty"`  // set for a dead letter
}

// Line returns the attempt as a line of listen's output.
func (a Attempted) Line() Line {
	forward := &receiver.Forward{
		URL: a.Target, Status: a.Status, DurationMS: milliseconds(a.Duration),
		Attempt: a.Attempt, PauseMS: milliseconds(a.Pause),
	}
	if a.Err != nil {
		forward.Error, forward.Err = a.Err.Error(), a.Err
	}
	return Line{Kind: "forwarded", At: a.At.UTC(), ID: a.ID, Type: a.Type, Endpoint: a.Endpoint, Route: shownRoute(a.Route), Forward: forward}
}

// Line returns the dead letter as a line of listen's output.
func (d DeadLettered) Line() Line {
	return Line{Kind: "dead", At: d.At.UTC(), ID: d.ID, Type: d.Type, Endpoint: d.Endpoint, Route: shownRoute(d.Route), Reason: d.Reason.Error()}
}

// shownRoute returns the name of a route, or "" for the route of a target without a
// name.
func shownRoute(name string) string {
	if name == relay.DefaultRoute {
		return ""
	}
	return name
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
