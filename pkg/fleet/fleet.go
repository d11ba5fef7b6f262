// Package fleet finds the events that Mender lost, and makes up for them.
//
// Mender loses events without a trace: a delivery that takes too long is not
// logged, and a change that happens while one of its services is down causes no
// event. The state of each device can be read, though. A Reconciler compares it
// with the known state, which is what the application was told, and delivers an
// event for each difference. Then the application's last known status of each
// device is Mender's again. Statuses that a device passed through in between, and
// when it did, stay unknown.
//
// The known state is a State, a file with an Entry for each device, ordered by id.
// Mender's devices are scanned in the same order, so that both are compared in
// constant memory, however many devices there are. A difference is only a suspect:
// the event for it may be on its way. It counts if, at least Reconciler.Settle
// later, deviceauth reports the same status.
//
// For each difference that counts, Mender's log is asked first: if the device's
// newest event there explains its status, that event is delivered, with its own id
// and content. Otherwise, an event is synthesized. Its id depends only on the device,
// the change, and the last event known for the device, so that a repeated run sends
// the same event again, not another one.
package fleet

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Devices reads the devices of an organization. *mender.Client implements it, and
// describes the methods.
type Devices interface {
	ScanDevices(ctx context.Context, after string) iter.Seq2[mender.DeviceState, error]
	DevicesByStatus(ctx context.Context, status webhook.DeviceStatus) iter.Seq2[mender.Device, error]
	DevicesByID(ctx context.Context, ids []string) ([]mender.Device, error)
	CountDevices(ctx context.Context, status webhook.DeviceStatus) (int, error)
	ServerTime(ctx context.Context) (time.Time, error)
}

// Log is Mender's log of events. *eventlog.Log implements it.
type Log interface {
	Events(ctx context.Context, q eventlog.Query) iter.Seq2[mender.Event, error]
}

// Outbox is the destination of events.
type Outbox interface {
	// Send delivers an event, or stores it to be delivered. With Refused, the error
	// is the reason; any other error ends the run.
	Send(ctx context.Context, e target.Event) (Outcome, error)
}

// Outcome is the result of sending an event.
type Outcome string

// The outcomes.
const (
	// Sent means that the event will not be sent again.
	Sent Outcome = "sent"
	// Known means that the destination had the event before, so that it changes
	// nothing for the application.
	Known Outcome = "known"
	// Refused means that the application does not accept the event. The next run
	// sends it again.
	Refused Outcome = "refused"
)

// Source is where the content of an event comes from.
type Source string

// The sources.
const (
	FromLog   Source = "log"   // an event in Mender's log
	FromState Source = "state" // synthesized from the device's state
)

// Announcement is an event that the application missed.
type Announcement struct {
	Event  webhook.Event
	Source Source
	Device string
	// From is the status that the application knows, or empty if it does not know
	// the device. To is the device's status in Mender: StatusDecommissioned if it is
	// gone.
	From, To webhook.DeviceStatus
	// Since is when the device had the status From, or zero.
	Since time.Time
	// Outcome is empty in a dry run. Reason is why the event was refused.
	Outcome Outcome
	Reason  error
}

// Report is the result of a run.
type Report struct {
	// Devices is how many devices Mender has, and Baseline how many of them were
	// recorded without an event, because this was the first run.
	Devices, Baseline int
	// Missed is how many devices had another status than the application knew.
	Missed int
	// Settled is how many devices looked different, but turned out not to be: the
	// event had been on its way, or inventory was stale.
	Settled int
	// Unsettled is how many devices were still changing in the end. The next run
	// looks at them again.
	Unsettled int
	// Recovered, Synthesized and Refused count events by source, and those that the
	// application did not accept.
	Recovered, Synthesized, Refused int
	// Lost reports that the first run did not see all events of the queue, so that
	// changes that were missed until now cannot be found. Gap reports that events were
	// removed from the queue before a run saw them, so that some may be sent again.
	Lost, Gap bool
	// Stale is by how many devices the counts of inventory and deviceauth differ; 0
	// in a deep run.
	Stale int
}

// String describes the result in a sentence.
func (r Report) String() string {
	text := fmt.Sprintf("devices compared: %d; differed: %d; events: %d, %d of them from Mender's log", r.Devices, r.Missed, r.Recovered+r.Synthesized, r.Recovered)
	if r.Baseline > 0 {
		text += fmt.Sprintf("; recorded for the first time: %d", r.Baseline)
	}
	if r.Unsettled > 0 {
		text += fmt.Sprintf("; still changing: %d", r.Unsettled)
	}
	return text
}

// Phase is a part of a run.
type Phase string

// The phases, in their order.
const (
	Scanning Phase = "scan"  // devices are compared
	Settling Phase = "wait"  // time passes before the second look
	Checking Phase = "check" // differences are looked at again, and events are sent
)

// Progress is how far a run is.
type Progress struct {
	Phase Phase
	// Done of Total devices have been compared or checked. Total may be 0 or too
	// small.
	Done, Total int
	// Until is when Settling ends; Total is then how many devices differ.
	Until time.Time
}
