package trigger

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Template is what the events of a load have in common.
type Template struct {
	Type webhook.EventType
	// Device is the device's id; empty means a new one for each event.
	Device string
	// Status is the device's new status, in types that have one.
	Status webhook.DeviceStatus
	// Data replaces what Mender would send in an event of this type.
	Data json.RawMessage
}

// Known reports whether events of the type can be made without Data.
func (t Template) Known() bool { return t.payload("", time.Time{}) != nil }

// Event makes an event that happens at the given time, under a new id.
func (t Template) Event(at time.Time) (webhook.Event, error) {
	if t.Data != nil {
		return webhook.NewEvent(uuid.NewString(), t.Type, at, t.Data)
	}
	device := t.Device
	if device == "" {
		device = uuid.NewString()
	}
	return webhook.NewEvent(uuid.NewString(), t.Type, at, t.payload(device, at))
}

// payload returns what Mender sends about a device in an event of the type, or
// nil for a type it does not send.
func (t Template) payload(device string, at time.Time) any {
	switch t.Type {
	case webhook.DeviceProvisioned:
		created := at.Add(-time.Minute).Truncate(time.Second)
		return webhook.Device{
			ID: device, Status: t.Status, CreatedTS: &created,
			AuthSets: []webhook.AuthSet{{
				ID: uuid.NewString(), DeviceID: device, Status: t.Status, TS: &created,
				IdentityData: json.RawMessage(`{"mac":"02:00:00:12:34:56"}`),
				PubKey:       "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n",
			}},
		}
	case webhook.DeviceStatusChanged:
		return webhook.StatusChange{ID: device, Status: t.Status}
	case webhook.DeviceDecommissioned:
		return webhook.Decommission{ID: device}
	case webhook.DeviceInventoryChanged:
		return webhook.InventoryChange{DeviceID: device, Inventory: []webhook.InventoryAttribute{
			{Name: "artifact_name", Scope: "inventory", Value: json.RawMessage(`"release-1"`)},
		}}
	}
	return nil
}
