package sandbox

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func healthy(c *call) { c.empty(http.StatusNoContent) }

// foreign says whether the call is about another tenant than the sandbox's
// only one. Whatever happens there is accepted, and of no consequence: it has
// no integrations. The empty id is taken for the only tenant's always.
func (s *Sandbox) foreign(c *call) bool {
	return c.values["tenant"] != "" && c.values["tenant"] != s.tenant()
}

func (s *Sandbox) provisionDevice(c *call) {
	if s.foreign(c) {
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
	if !s.foreign(c) {
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
	if !s.foreign(c) {
		_ = s.SetStatus(ids, status) // checked above
	}
	c.empty(http.StatusAccepted)
}

// deleteTenant removes everything but the users, who are another service's.
func (s *Sandbox) deleteTenant(c *call) {
	if c.values["tenant"] == "" {
		c.fail(http.StatusInternalServerError, "tenant id is empty")
		return
	}
	if !s.foreign(c) {
		s.mu.Lock()
		s.integration, s.devices, s.log.entries = nil, map[string][]uuid.UUID{}, nil
		s.mu.Unlock()
		s.changed()
	}
	c.empty(http.StatusNoContent)
}

// The state of devices in Azure's and Amazon's clouds: there is none.

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
	// The server takes what is not there for a failure of its own here.
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
