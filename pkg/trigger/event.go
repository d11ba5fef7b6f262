package trigger

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Template holds the settings that all events of a load share.
type Template struct {
	Type webhook.EventType
	// Device is the device's id; empty means a new one for each event.
	Device string
	// Status is the device's new status, for types that have one.
	Status webhook.DeviceStatus
	// Data, if set, replaces the payload that Mender would send for this type.
	Data json.RawMessage
}

// Known reports whether events of the type can be created without Data.
func (t Template) Known() bool { return t.payload("", time.Time{}) != nil }

// Event returns an event with the given time and a new id.
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

// payload returns the payload that Mender sends for the type, or nil if Mender
// does not send the type.
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
