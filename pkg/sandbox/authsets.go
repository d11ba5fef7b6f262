package sandbox

import (
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// findSet returns an authentication set and its device, or nil. The caller
// holds s.mu.
func (r *registry) findSet(id string) (*device, *deviceSet) {
	for _, d := range r.devices {
		if a := d.set(id); a != nil {
			return d, a
		}
	}
	return nil, nil
}

// getSetStatus ignores the device's id, as the server does.
func (s *Sandbox) getSetStatus(c *call) {
	s.mu.Lock()
	_, set := s.registry.findSet(c.values["set"])
	var status webhook.DeviceStatus
	if set != nil {
		status = set.Status
	}
	s.mu.Unlock()
	if set == nil {
		c.fail(http.StatusNotFound, "authorization set not found")
		return
	}
	c.json(http.StatusOK, map[string]webhook.DeviceStatus{"status": status})
}

func (s *Sandbox) putSetStatus(c *call) {
	var body struct {
		Status webhook.DeviceStatus `json:"status"`
	}
	if message := decode(c.body, &body); message != "" {
		c.fail(http.StatusBadRequest, malformed+message)
		return
	}
	if !slices.Contains([]webhook.DeviceStatus{webhook.StatusAccepted, webhook.StatusRejected, webhook.StatusPending}, body.Status) {
		c.fail(http.StatusBadRequest, "incorrect device status")
		return
	}
	s.mu.Lock()
	status, message, emit := s.setStatus(c.values["id"], c.values["set"], body.Status)
	s.mu.Unlock()
	emit()
	s.changed()
	if message != "" {
		c.fail(status, message)
		return
	}
	c.empty(status)
}

// setStatus gives a set a status. The caller holds s.mu.
func (s *Sandbox) setStatus(id, set string, status webhook.DeviceStatus) (code int, message string, emit func()) {
	none := func() {}
	r := &s.registry
	d, a := r.findSet(set)
	switch {
	case a == nil:
		return http.StatusNotFound, "authorization set not found", none
	case d.ID != id:
		return http.StatusBadRequest, "dev auth: dev ID and auth ID mismatch", none
	case a.Status == webhook.StatusPreauthorized:
		return http.StatusBadRequest, "dev auth: bad request", none
	case a.Status == status:
		return http.StatusNoContent, "", none
	case status == webhook.StatusAccepted && r.limit > 0 && r.accepted() >= r.limit:
		return http.StatusUnprocessableEntity, "maximum number of accepted devices reached", none
	}
	if status == webhook.StatusAccepted {
		for _, other := range d.Sets {
			if other.Status == webhook.StatusAccepted {
				other.Status = webhook.StatusRejected
			}
		}
	}
	a.Status = status
	emit, ok := s.settle(d)
	if !ok {
		return http.StatusServiceUnavailable, "service unavailable", emit
	}
	return http.StatusNoContent, "", emit
}

func (r *registry) accepted() int {
	n := 0
	for _, d := range r.devices {
		if d.Status == webhook.StatusAccepted {
			n++
		}
	}
	return n
}

// settle gives a device the status of its sets, and runs the workflow if that
// changed it. The caller holds s.mu.
func (s *Sandbox) settle(d *device) (emit func(), ok bool) {
	status := d.effective()
	if status == d.Status {
		return func() {}, true
	}
	d.Status, d.Updated = status, milliseconds(s.now())
	return s.workflow(d)
}

func (s *Sandbox) preauthorize(c *call) {
	var body struct {
		Identity map[string]any `json:"identity_data"`
		PubKey   string         `json:"pubkey"`
		Force    bool           `json:"force"`
	}
	if message := decode(c.body, &body); message != "" {
		c.fail(http.StatusBadRequest, malformed+message)
		return
	}
	s.mu.Lock()
	d := s.registry.identity(body.Identity)
	if d != nil && !body.Force {
		conflict := d.copy()
		s.mu.Unlock()
		conflict.Sets = nil // null, in this answer only
		c.json(http.StatusConflict, conflict)
		return
	}
	location, emit := uuid.NewString(), func() {} // with force, the id of no device
	if d == nil {
		d = s.admit(body.Identity)
		location = d.ID
		s.add(d, body.PubKey, webhook.StatusPreauthorized)
		emit, _ = s.settle(d)
	} else {
		s.add(d, body.PubKey, webhook.StatusPreauthorized)
	}
	s.mu.Unlock()
	emit()
	c.w.Header().Set("Location", "devices/"+location)
	c.empty(http.StatusCreated)
}

func (s *Sandbox) dismissSet(c *call) {
	s.mu.Lock()
	d := s.registry.devices[c.values["id"]]
	var set *deviceSet
	if d != nil {
		set = d.set(c.values["set"])
	}
	if set == nil {
		s.mu.Unlock()
		c.empty(http.StatusNotFound)
		return
	}
	var emit func()
	if d.Status == webhook.StatusPreauthorized && set.Status == webhook.StatusPreauthorized {
		s.registry.remove(d.ID)
		gone := deviceEvent{ID: d.ID, Status: webhook.StatusDecommissioned}
		emit = s.later(deviceChange{webhook.DeviceStatusChanged, d.ID, scopeDeviceAuth, gone, gone})
	} else {
		d.Sets = slices.DeleteFunc(d.Sets, func(a *deviceSet) bool { return a == set })
		emit, _ = s.settle(d)
	}
	s.mu.Unlock()
	emit()
	c.empty(http.StatusNoContent)
}

func (s *Sandbox) decommissionByID(c *call) {
	id := c.values["id"]
	s.mu.Lock()
	d := s.registry.devices[id]
	switch {
	case d == nil:
		s.mu.Unlock()
		c.empty(http.StatusNotFound)
		return
	case s.registry.workflowsDown:
		d.Decommissioning, d.Updated = true, milliseconds(s.now())
		s.mu.Unlock()
		c.fail(http.StatusServiceUnavailable, "service unavailable")
		return
	}
	s.registry.remove(id)
	gone := deviceEvent{ID: id}
	emit := s.later(deviceChange{webhook.DeviceDecommissioned, id, scopeDeviceAuth, gone, gone})
	s.mu.Unlock()
	emit()
	c.empty(http.StatusNoContent)
}
