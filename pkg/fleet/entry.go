package fleet

import (
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Entry is the known status of a device.
type Entry struct {
	ID string `json:"id"`
	// Status is StatusDecommissioned if the device is gone.
	Status webhook.DeviceStatus `json:"status"`
	// Last is the id of the last event known for the device. For a device that was
	// recorded without an event, it is the random id of the run that did it.
	Last string `json:"last"`
	// Time is when the device had the status, by Mender's clock.
	Time time.Time `json:"time"`
}

// Gone reports whether the device was decommissioned or removed.
func (e Entry) Gone() bool { return e.Status == webhook.StatusDecommissioned }

// Fold applies an event of the device and reports whether it changed the entry.
// Events count by their time, since Mender delivers them in no order. The end of a
// device is final: an id is never used again.
func (e *Entry) Fold(event webhook.Event) bool {
	status := statusIn(event)
	if status == "" || e.Gone() {
		return false
	}
	if status != webhook.StatusDecommissioned && !event.Time.After(e.Time) {
		return false
	}
	e.Status, e.Last = status, event.ID
	if event.Time.After(e.Time) {
		e.Time = event.Time.UTC()
	}
	return true
}

// statusIn returns the status that an event reports for its device, or "" if it
// reports none.
func statusIn(e webhook.Event) webhook.DeviceStatus {
	switch e.Type {
	case webhook.DeviceDecommissioned:
		return webhook.StatusDecommissioned
	case webhook.DeviceProvisioned:
		return webhook.StatusAccepted // Mender sends it for no other status
	case webhook.DeviceStatusChanged:
		return e.DeviceStatus()
	}
	return ""
}
