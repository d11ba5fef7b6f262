package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// authRequest answers a device that asks for a token: see POST /auth_requests.
func (s *Sandbox) authRequest(c *call) {
	var body struct {
		IDData string `json:"id_data"`
		PubKey string `json:"pubkey"`
	}
	var identity map[string]any
	if message := decode(c.body, &body); message != "" || json.Unmarshal([]byte(body.IDData), &identity) != nil {
		c.fail(http.StatusBadRequest, "invalid auth request: "+message)
		return
	}
	s.mu.Lock()
	id, ok, emit := s.authenticateDevice(identity, body.PubKey)
	down := s.registry.workflowsDown && id == ""
	s.mu.Unlock()
	emit()
	switch {
	case down:
		c.fail(http.StatusServiceUnavailable, "service unavailable")
	case !ok:
		c.fail(http.StatusUnauthorized, "dev auth: unauthorized")
	default:
		token, err := sign(s.key, claims{ID: uuid.NewString(), Subject: id, IssuedAt: s.now().Unix(), ExpiresAt: s.now().Add(week).Unix(), Issuer: "Mender"})
		if err != nil {
			c.fail(http.StatusInternalServerError, "internal error")
			return
		}
		c.jwt(token)
	}
}

// authenticateDevice returns the device's id, and whether it is accepted. The
// id is empty if the device is new and the workflows are down. The caller holds
// s.mu.
func (s *Sandbox) authenticateDevice(identity map[string]any, pubkey string) (id string, ok bool, emit func()) {
	d := s.registry.identity(identity)
	if d == nil {
		d = s.admit(identity)
		s.add(d, pubkey, webhook.StatusPending)
		emit, running := s.settle(d)
		if !running {
			d.unannounced = true
			return "", false, emit
		}
		return d.ID, false, emit
	}
	if d.unannounced {
		emit, _ = s.workflow(d)
		d.unannounced = false
		return d.ID, false, emit
	}
	i := slices.IndexFunc(d.Sets, func(a *deviceSet) bool { return a.PubKey == pubkey })
	if i < 0 {
		s.add(d, pubkey, webhook.StatusPending)
		emit, _ = s.settle(d)
		return d.ID, false, emit
	}
	emit = func() {}
	if d.Sets[i].Status == webhook.StatusPreauthorized {
		d.Sets[i].Status = webhook.StatusAccepted
		emit, _ = s.settle(d)
	}
	if d.Sets[i].Status != webhook.StatusAccepted {
		return d.ID, false, emit
	}
	now := milliseconds(s.now())
	d.CheckIn, d.Updated = &now, now
	if in := s.registry.inventory[d.ID]; in != nil {
		in.put("system", "check_in_time", now)
	}
	return d.ID, true, emit
}
