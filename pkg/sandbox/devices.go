package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// maxBulk is the maximum number of devices in a request that sets a status.
const maxBulk = 100

var (
	errNoDeviceID = errors.New("missing device ID")
	errTooMany    = fmt.Errorf("too many bulk items: max %d items per request", maxBulk)
)

// deviceEvent is the payload of device authentication events. It omits the
// same empty fields as the server.
type deviceEvent struct {
	ID        string               `json:"id"`
	Status    webhook.DeviceStatus `json:"status,omitempty"`
	AuthSets  []authSet            `json:"auth_sets,omitempty"`
	CreatedTS *time.Time           `json:"created_ts,omitempty"`
}

type authSet struct {
	ID           string         `json:"id"`
	DeviceID     string         `json:"device_id"`
	IdentityData map[string]any `json:"identity_data"`
	PubKey       string         `json:"pubkey"`
	Status       string         `json:"status"`
	TS           *time.Time     `json:"ts,omitempty"`
}

// logged returns the event with its times as the database stores them.
func (d deviceEvent) logged() deviceEvent {
	d.CreatedTS = truncate(d.CreatedTS)
	d.AuthSets = slices.Clone(d.AuthSets)
	for i := range d.AuthSets {
		d.AuthSets[i].TS = truncate(d.AuthSets[i].TS)
	}
	return d
}

func truncate(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	c := milliseconds(*t)
	return &c
}

// Provision announces a new device, as device authentication does when it is
// first accepted, and adds it to deviceauth and inventory; call SetStatus for the
// status event that comes with it. The delivery runs in the background: see
// Settle. It fails where the internal API would answer with an error.
func (s *Sandbox) Provision(d webhook.Device) error {
	body, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("sandbox: encode device: %w", err)
	}
	if d.ID != "" {
		s.enroll(d.ID, identityOf(d), webhook.StatusAccepted)
	}
	if err := s.provision(body); err != nil {
		return fmt.Errorf("sandbox: provision device: %w", err)
	}
	return nil
}

// identityOf returns the identity data in a device's authentication sets.
func identityOf(d webhook.Device) map[string]any {
	var identity map[string]any
	if len(d.AuthSets) > 0 {
		_ = json.Unmarshal(d.AuthSets[0].IdentityData, &identity) // none if it is not an object
	}
	return identity
}

func (s *Sandbox) provision(body []byte) error {
	var given struct {
		deviceEvent
		Old string `json:"device_id"` // former name of id
	}
	if message := decode(body, &given); message != "" {
		return errors.New(malformed + message)
	}
	d := given.deviceEvent
	if given.Old != "" {
		d.ID = given.Old
	}
	if d.ID == "" {
		return errNoDeviceID
	}
	s.emit(deviceChange{webhook.DeviceProvisioned, d.ID, scopeDeviceAuth, d, d.logged()})
	return nil
}

// SetStatus announces a new status of up to 100 devices, with one event each.
// Deliveries run in the background: see Settle. It fails where the internal
// API would answer with an error.
func (s *Sandbox) SetStatus(ids []string, status webhook.DeviceStatus) error {
	if err := validStatus(status); err != nil {
		return fmt.Errorf("sandbox: set status: %w", err)
	}
	if len(ids) > maxBulk {
		return fmt.Errorf("sandbox: set status: %w", errTooMany)
	}
	for _, id := range ids {
		s.enroll(id, nil, status)
		d := deviceEvent{ID: id, Status: status}
		s.emit(deviceChange{webhook.DeviceStatusChanged, id, scopeDeviceAuth, d, d})
	}
	return nil
}

func validStatus(status webhook.DeviceStatus) error {
	if !slices.Contains(webhook.DeviceStatuses(), status) {
		return fmt.Errorf("invalid status '%s'", status)
	}
	return nil
}

// Decommission announces that a device was removed. The delivery runs in the
// background: see Settle.
func (s *Sandbox) Decommission(id string) {
	s.mu.Lock()
	s.registry.remove(id)
	s.mu.Unlock()
	d := deviceEvent{ID: id}
	s.emit(deviceChange{webhook.DeviceDecommissioned, id, scopeDeviceAuth, d, d})
}

// ChangeInventory announces new inventory attributes of a device. Only an
// Enterprise server (Options.Scopes) sends an event, to an integration with the
// inventory scope. The delivery runs in the background: see Settle.
func (s *Sandbox) ChangeInventory(id string, attributes []webhook.InventoryAttribute) {
	if !s.opts.Scopes {
		return
	}
	data := webhook.InventoryChange{DeviceID: id, TenantID: s.tenant(), Inventory: attributes}
	s.emit(deviceChange{webhook.DeviceInventoryChanged, id, scopeInventory, data, data})
}
