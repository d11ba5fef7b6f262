package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// maxBulk is how many devices one call may give a status.
const maxBulk = 100

var (
	errNoDeviceID = errors.New("missing device ID")
	errTooMany    = fmt.Errorf("too many bulk items: max %d items per request", maxBulk)
)

// deviceEvent is the payload of the events of device authentication, with
// the server's own choice of which fields stay when they are empty.
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

// logged is the event with its times as the database keeps them.
func (d deviceEvent) logged() deviceEvent {
	d.CreatedTS = cut(d.CreatedTS)
	d.AuthSets = slices.Clone(d.AuthSets)
	for i := range d.AuthSets {
		d.AuthSets[i].TS = cut(d.AuthSets[i].TS)
	}
	return d
}

func cut(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	c := milliseconds(*t)
	return &c
}

// Provision tells of a new device, as device authentication does when it is
// accepted for the first time; it tells of the status too, with a call of
// its own (SetStatus). The delivery goes on in the background: see Settle.
// The error says what the internal API would refuse.
func (s *Sandbox) Provision(d webhook.Device) error {
	body, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("sandbox: encode device: %w", err)
	}
	if err := s.provision(body); err != nil {
		return fmt.Errorf("sandbox: provision device: %w", err)
	}
	return nil
}

func (s *Sandbox) provision(body []byte) error {
	var given struct {
		deviceEvent
		Old string `json:"device_id"` // what id was called once
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
	s.happen(happening{webhook.DeviceProvisioned, d.ID, scopeDeviceAuth, d, d.logged()})
	return nil
}

// SetStatus gives up to 100 devices a status, one event each. The deliveries
// go on in the background: see Settle. The error says what the internal API
// would refuse.
func (s *Sandbox) SetStatus(ids []string, status webhook.DeviceStatus) error {
	if err := validStatus(status); err != nil {
		return fmt.Errorf("sandbox: set status: %w", err)
	}
	if len(ids) > maxBulk {
		return fmt.Errorf("sandbox: set status: %w", errTooMany)
	}
	for _, id := range ids {
		d := deviceEvent{ID: id, Status: status}
		s.happen(happening{webhook.DeviceStatusChanged, id, scopeDeviceAuth, d, d})
	}
	return nil
}

func validStatus(status webhook.DeviceStatus) error {
	if !slices.Contains(webhook.DeviceStatuses(), status) {
		return fmt.Errorf("invalid status '%s'", status)
	}
	return nil
}

// Decommission tells that a device is gone. The delivery goes on in the
// background: see Settle.
func (s *Sandbox) Decommission(id string) {
	d := deviceEvent{ID: id}
	s.happen(happening{webhook.DeviceDecommissioned, id, scopeDeviceAuth, d, d})
}

// ChangeInventory tells what is known of a device. Only an Enterprise server
// (Options.Scopes) makes an event of it, for an integration with the
// inventory scope. The delivery goes on in the background: see Settle.
func (s *Sandbox) ChangeInventory(id string, attributes []webhook.InventoryAttribute) {
	if !s.opts.Scopes {
		return
	}
	data := webhook.InventoryChange{DeviceID: id, TenantID: s.tenant(), Inventory: attributes}
	s.happen(happening{webhook.DeviceInventoryChanged, id, scopeInventory, data, data})
}
