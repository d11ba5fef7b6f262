package sandbox

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func healthy(c *call) { c.empty(http.StatusNoContent) }

// otherTenant reports whether the call is about a tenant other than the
// sandbox's own, which the empty id also names. Such calls are accepted without
// effect, since other tenants have no integrations.
func (s *Sandbox) otherTenant(c *call) bool {
	return c.values["tenant"] != "" && c.values["tenant"] != s.tenant()
}

func (s *Sandbox) provisionDevice(c *call) {
	if s.otherTenant(c) {
		c.empty(http.StatusAccepted)
		return
	}
	if err := s.provision(c.body); err != nil {
		c.fail(http.StatusBadRequest, err.Error())
		return
	}
	c.empty(http.StatusAccepted)
}

func (s *Sandbox) decommissionDevice(c *call) {
	if !s.otherTenant(c) {
		s.Decommission(c.values["id"])
	}
	c.empty(http.StatusAccepted)
}

func (s *Sandbox) setStatuses(c *call) {
	status := webhook.DeviceStatus(c.values["status"])
	if err := validStatus(status); err != nil {
		c.fail(http.StatusBadRequest, err.Error())
		return
	}
	var given []struct {
		DeviceID string `json:"id"`
	}
	if message := decode(c.body, &given); message != "" {
		c.fail(http.StatusBadRequest, "invalid request body: "+message)
		return
	}
	if len(given) > maxBulk {
		c.fail(http.StatusBadRequest, errTooMany.Error())
		return
	}
	ids := make([]string, len(given))
	for i, g := range given {
		ids[i] = g.DeviceID
	}
	if !s.otherTenant(c) {
		_ = s.SetStatus(ids, status) // checked above
	}
	c.empty(http.StatusAccepted)
}

// deleteTenant removes everything except users, which belong to another service.
func (s *Sandbox) deleteTenant(c *call) {
	if c.values["tenant"] == "" {
		c.fail(http.StatusInternalServerError, "tenant id is empty")
		return
	}
	if !s.otherTenant(c) {
		s.mu.Lock()
		s.integration, s.devices, s.log.entries = nil, map[string][]uuid.UUID{}, nil
		s.mu.Unlock()
		s.changed()
	}
	c.empty(http.StatusNoContent)
}

// deviceState is the state of a device in the clouds of Azure and AWS.

type deviceState struct {
	Desired  map[string]any `json:"desired"`
	Reported map[string]any `json:"reported"`
}

func (s *Sandbox) known(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.devices[id]
	return known
}

func (s *Sandbox) getDeviceStates(c *call) {
	if !s.known(c.values["id"]) {
		c.fail(http.StatusNotFound, "device not found")
		return
	}
	c.json(http.StatusOK, struct{}{})
}

func (s *Sandbox) getDeviceState(c *call) {
	if _, err := uuid.Parse(c.values["integration"]); err != nil {
		c.fail(http.StatusBadRequest, "integration ID is not a valid UUID")
		return
	}
	c.fail(http.StatusNotFound, notFound)
}

func (s *Sandbox) putDeviceState(c *call) {
	if _, err := uuid.Parse(c.values["integration"]); err != nil {
		c.fail(http.StatusBadRequest, "integration ID is not a valid UUID")
		return
	}
	var state deviceState
	if message := decode(c.body, &state); message != "" {
		c.fail(http.StatusBadRequest, malformed+message)
		return
	}
	// The server reports a missing object as an internal error here.
	c.fail(http.StatusInternalServerError, "failed to retrieve the device: store: object not found")
}

func (s *Sandbox) deleteDevice(c *call) {
	id := c.values["id"]
	if !s.known(id) {
		c.fail(http.StatusNotFound, "device not found")
		return
	}
	s.mu.Lock()
	delete(s.devices, id)
	s.mu.Unlock()
	s.changed()
	c.empty(http.StatusNoContent)
}
