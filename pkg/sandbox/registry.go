package sandbox

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// registry has the devices as deviceauth and inventory know them. They can
// differ, as on the real server: inventory learns of a change later, or never.
type registry struct {
	devices   map[string]*device
	inventory map[string]*inventoryDevice
	order     []string // ids in the order in which inventory first saw them

	// Services that are stopped, for tests.
	inventoryDown, eventsDown, workflowsDown bool
	limit                                    int // of accepted devices; 0 is none
}

func newRegistry() registry {
	return registry{devices: map[string]*device{}, inventory: map[string]*inventoryDevice{}}
}

// device is a device of deviceauth.
type device struct {
	ID              string               `json:"id"`
	Identity        map[string]any       `json:"identity_data"`
	Status          webhook.DeviceStatus `json:"status"`
	Decommissioning bool                 `json:"decommissioning"`
	Created         time.Time            `json:"created_ts"`
	Updated         time.Time            `json:"updated_ts"`
	Sets            []*deviceSet         `json:"auth_sets"`
	CheckIn         *time.Time           `json:"check_in_time,omitempty"`

	provisioned bool // device-provisioned is sent once
	unannounced bool // it came while the workflows were down
}

// deviceSet is an authentication set in the API. In events it has other fields:
// see authSet.
type deviceSet struct {
	ID       string               `json:"id"`
	Identity map[string]any       `json:"identity_data"`
	PubKey   string               `json:"pubkey"`
	TS       time.Time            `json:"ts"`
	Status   webhook.DeviceStatus `json:"status"`
}

// effective returns the status that a device's sets give it.
func (d *device) effective() webhook.DeviceStatus {
	for _, status := range []webhook.DeviceStatus{
		webhook.StatusAccepted, webhook.StatusPreauthorized, webhook.StatusPending, webhook.StatusRejected,
	} {
		if slices.ContainsFunc(d.Sets, func(a *deviceSet) bool { return a.Status == status }) {
			return status
		}
	}
	return webhook.StatusNoAuth
}

func (d *device) set(id string) *deviceSet {
	if i := slices.IndexFunc(d.Sets, func(a *deviceSet) bool { return a.ID == id }); i >= 0 {
		return d.Sets[i]
	}
	return nil
}

// copy returns the device as a response can encode it after the lock is gone.
func (d *device) copy() *device {
	c := *d
	c.Sets = make([]*deviceSet, len(d.Sets))
	for i, a := range d.Sets {
		set := *a
		c.Sets[i] = &set
	}
	return &c
}

// event returns the device as device-provisioned has it.
func (d *device) event() deviceEvent {
	e := deviceEvent{ID: d.ID, Status: d.Status, CreatedTS: &d.Created}
	for _, a := range d.Sets {
		if a.Status == webhook.StatusAccepted {
			e.AuthSets = append(e.AuthSets, authSet{ID: a.ID, DeviceID: d.ID, IdentityData: a.Identity, PubKey: a.PubKey, Status: string(a.Status), TS: &a.TS})
		}
	}
	return e
}

// inventoryDevice is a device of inventory.
type inventoryDevice struct {
	ID         string      `json:"id"`
	Attributes []attribute `json:"attributes"`
	Identities []string    `json:"identities,omitempty"`
	Updated    *time.Time  `json:"updated_ts,omitempty"`
	etag       string      // of the tags

}

type attribute struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
	Scope string `json:"scope"`
}

func (d *inventoryDevice) put(scope, name string, value any) {
	for i := range d.Attributes {
		if a := &d.Attributes[i]; a.Scope == scope && a.Name == name {
			a.Value = value
			return
		}
	}
	d.Attributes = append(d.Attributes, attribute{name, value, scope})
}

// workflow does what Mender's workflows do after a device changed its status:
// first inventory learns of it, then iot-manager, which makes the events. It
// reports whether the workflows run at all. The caller holds s.mu, and calls
// the returned function after releasing it.
func (s *Sandbox) workflow(d *device) (emit func(), ok bool) {
	r := &s.registry
	if r.workflowsDown {
		return func() {}, false
	}
	d.Updated = milliseconds(s.now())
	if r.inventoryDown {
		return func() {}, true // the workflow ends at its first task
	}
	s.index(d)
	var events []deviceChange
	if d.Status == webhook.StatusAccepted && !d.provisioned {
		d.provisioned = true
		e := d.event()
		events = append(events, deviceChange{webhook.DeviceProvisioned, d.ID, scopeDeviceAuth, e, e.logged()})
	}
	status := deviceEvent{ID: d.ID, Status: d.Status}
	events = append(events, deviceChange{webhook.DeviceStatusChanged, d.ID, scopeDeviceAuth, status, status})
	return s.later(events...), true
}

// later returns a function that makes the events, unless iot-manager is down.
func (s *Sandbox) later(events ...deviceChange) func() {
	if s.registry.eventsDown {
		return func() {}
	}
	return func() {
		for _, e := range events {
			s.emit(e)
		}
	}
}

// makes reports whether an event of a type is made with the services that run. The
// workflow of a change ends if inventory is down; a decommission begins with the event.
func (r *registry) makes(typ webhook.EventType) bool {
	return !r.eventsDown && !r.workflowsDown && (!r.inventoryDown || typ == webhook.DeviceDecommissioned)
}

// index adds a device to inventory or updates it there. The caller holds s.mu.
func (s *Sandbox) index(d *device) {
	r := &s.registry
	i := r.inventory[d.ID]
	if i == nil {
		i = &inventoryDevice{ID: d.ID}
		for _, name := range slices.Sorted(maps.Keys(d.Identity)) {
			if d.unannounced { // identity data is sent once, and got lost
				break
			}
			i.put("identity", name, d.Identity[name])
			if text, ok := d.Identity[name].(string); ok {
				i.Identities = append(i.Identities, text)
			}
		}
		i.put("system", "created_ts", milliseconds(s.now()))
		r.inventory[d.ID] = i
		r.order = append(r.order, d.ID)
	}
	i.put("identity", "status", string(d.Status))
}

// remove takes a device out of both services, or leaves it in inventory if that is
// down. The caller holds s.mu.
func (r *registry) remove(id string) {
	delete(r.devices, id)
	if r.inventoryDown {
		return
	}
	delete(r.inventory, id)
	if i := slices.Index(r.order, id); i >= 0 {
		r.order = slices.Delete(r.order, i, i+1)
	}
}

// identity returns the device with the identity data, or nil.
func (r *registry) identity(data map[string]any) *device {
	want, _ := json.Marshal(data) // sorted keys
	for _, d := range r.devices {
		if have, _ := json.Marshal(d.Identity); string(have) == string(want) {
			return d
		}
	}
	return nil
}

// admit adds a device that has just been heard of.
func (s *Sandbox) admit(identity map[string]any) *device {
	now := milliseconds(s.now())
	d := &device{ID: uuid.NewString(), Identity: identity, Created: now, Updated: now}
	s.registry.devices[d.ID] = d
	return d
}

// add gives a device an authentication set.
func (s *Sandbox) add(d *device, pubkey string, status webhook.DeviceStatus) {
	d.Sets = append(d.Sets, &deviceSet{ID: uuid.NewString(), Identity: d.Identity, PubKey: pubkey, TS: milliseconds(s.now()), Status: status})
}

// enroll makes deviceauth and inventory know a device that was announced with
// Provision, and give it a status that was announced with SetStatus.
func (s *Sandbox) enroll(id string, identity map[string]any, status webhook.DeviceStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.registry.devices[id]
	if d == nil {
		now := milliseconds(s.now())
		d = &device{ID: id, Identity: identity, Created: now}
		s.registry.devices[id] = d
	}
	d.provisioned = d.provisioned || status == webhook.StatusAccepted
	if status == webhook.StatusNoAuth {
		d.Sets = nil
	} else if len(d.Sets) == 0 {
		s.add(d, "", status)
	}
	for _, a := range d.Sets {
		a.Status = status
	}
	d.Status, d.Updated = status, milliseconds(s.now())
	if !s.registry.inventoryDown {
		s.index(d)
	}
}

// SetServiceDown stops a service, or starts it again: "inventory", which then
// hears of no change and answers 502, "events" (iot-manager), which makes no
// events, or "workflows". Others are ignored.
func (s *Sandbox) SetServiceDown(service string, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r := &s.registry; service {
	case "inventory":
		r.inventoryDown = down
	case "events":
		r.eventsDown = down
	case "workflows":
		r.workflowsDown = down
	}
}

func (s *Sandbox) putService(c *call) {
	var body struct {
		Down bool `json:"down"`
	}
	if message := decode(c.body, &body); message != "" {
		c.fail(http.StatusBadRequest, malformed+message)
		return
	}
	name := c.values["service"]
	if !slices.Contains([]string{"inventory", "events", "workflows"}, name) {
		c.fail(http.StatusNotFound, "unknown service "+strings.ToValidUTF8(name, ""))
		return
	}
	s.SetServiceDown(name, body.Down)
	c.empty(http.StatusNoContent)
}
