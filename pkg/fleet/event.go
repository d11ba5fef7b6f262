package fleet

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// namespace is the namespace of the ids of synthesized events, which are UUIDs of
// version 5.
const namespace = "6f9c1f5e-7d0f-4a51-9b57-0c5e3f0a7a31"

// eventID returns the id of the event of a type for the change of a device between
// two statuses. last is Entry.Last, or empty if the device was unknown. The name in
// the namespace is the arguments, separated by slashes.
func eventID(typ webhook.EventType, device string, from, to webhook.DeviceStatus, last string) string {
	name := fmt.Sprintf("%s/%s/%s/%s/%s", typ, device, from, to, last)
	return uuid.NewSHA1(uuid.MustParse(namespace), []byte(name)).String()
}

// synthesize returns the events that Mender would have sent for the change of a
// device: one, or two for a new device that is accepted. found is the device in
// deviceauth; it is not used for a device that is gone. at is a time between the
// change and any later change.
func synthesize(s suspect, found mender.Device, at time.Time) ([]webhook.Event, error) {
	var from webhook.DeviceStatus
	last := ""
	if s.From != nil {
		from, last = s.From.Status, s.From.Last
		if !at.After(s.From.Time) {
			at = s.From.Time.Add(time.Nanosecond)
		}
	}
	var events []webhook.Event
	add := func(typ webhook.EventType, data any) error {
		e, err := webhook.NewEvent(eventID(typ, s.ID, from, s.To, last), typ, at.Add(time.Duration(len(events))), data)
		events = append(events, e)
		return err
	}
	status := webhook.StatusChange{ID: s.ID, Status: s.To}
	switch {
	case s.To == webhook.StatusDecommissioned && from != webhook.StatusPreauthorized:
		err := add(webhook.DeviceDecommissioned, webhook.Decommission{ID: s.ID})
		return events, err
	case s.To == webhook.StatusAccepted && isNew(s.From):
		if err := add(webhook.DeviceProvisioned, provisioned(found)); err != nil {
			return nil, err
		}
	}
	err := add(webhook.DeviceStatusChanged, status)
	return events, err
}

func isNew(known *Entry) bool { return known == nil || known.Gone() }

// provisioned returns a device as device-provisioned has it: with its accepted
// authentication set.
func provisioned(d mender.Device) webhook.Device {
	p := webhook.Device{ID: d.ID, Status: d.Status, CreatedTS: d.CreatedTS}
	for _, set := range d.AuthSets {
		if set.Status == webhook.StatusAccepted {
			set.DeviceID = d.ID
			p.AuthSets = append(p.AuthSets, set)
		}
	}
	return p
}
