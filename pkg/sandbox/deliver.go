package sandbox

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// The scopes of an Enterprise server's integrations.
const (
	scopeDeviceAuth = "deviceauth"
	scopeInventory  = "inventory"
)

// deviceChange is a change of a device, with its payload as it is delivered
// and as the log returns it.
type deviceChange struct {
	typ    webhook.EventType
	device string
	scope  string
	data   any
	logged any
}

// emit creates an event and starts its delivery, if there is an integration
// for its scope. It does not wait. As on the real server, deliveries run
// concurrently without limit, in no order.
func (s *Sandbox) emit(h deviceChange) {
	at := s.opts.Now()
	s.mu.Lock()
	in := s.integration
	connected, known := s.connection(h, in)
	begin := !s.closed && in != nil && in.wants(h.scope) && s.registry.makes(h.typ)
	if begin {
		s.flights.begin()
	}
	s.mu.Unlock()
	s.changed()
	if !begin {
		return
	}
	if s.faults.hits(s.opts.LoseEvents) || s.faults.hits(s.opts.Lose) {
		s.flights.end()
		s.opts.Logf("%s: lost on purpose", h.typ)
		return
	}
	go func() {
		defer s.flights.end()
		s.deliver(h, at, in, connected, known)
	}()
}

// wants reports whether an integration receives events of a scope. Without
// scopes it receives device authentication events.
func (in *integration) wants(scope string) bool {
	if len(in.Scopes) == 0 {
		return scope == scopeDeviceAuth
	}
	return slices.Contains(in.Scopes, scope)
}

// connection updates the registered devices, and reports whether the device is
// known and connected to the integration, which may be nil. The caller holds
// s.mu.
func (s *Sandbox) connection(h deviceChange, in *integration) (connected, known bool) {
	integrations, known := s.devices[h.device]
	connected = in != nil && slices.Contains(integrations, in.ID)
	switch h.typ {
	case webhook.DeviceProvisioned:
		known = true
		if in != nil && in.Provider != providerWebhook && !connected {
			connected = true
			integrations = append(integrations, in.ID)
		}
		s.devices[h.device] = integrations
	case webhook.DeviceDecommissioned:
		delete(s.devices, h.device)
	}
	return connected, known
}

func (s *Sandbox) deliver(h deviceChange, at time.Time, in *integration, connected, known bool) {
	id := uuid.NewString()
	var statuses []deliveryStatus
	switch status := (deliveryStatus{IntegrationID: in.ID, Success: true}); {
	case in.Provider == providerWebhook:
		if !s.send(id, h, at, in, &status) {
			return
		}
		statuses = append(statuses, status)
	case !known:
		status.Success, status.Error = false, "store: object not found"
		statuses = append(statuses, status)
	case connected:
		statuses = append(statuses, status)
	}
	data, err := canonical(h.logged)
	if err != nil {
		s.opts.Logf("cannot log a %s event: %v", h.typ, err)
		return
	}
	s.mu.Lock()
	now := milliseconds(s.now())
	e := loggedEvent{ID: id, Type: h.typ, Data: data, Time: now, DeliveryStatuses: statuses}
	if body, err := json.Marshal(e); err == nil { // Data is valid JSON
		s.log.expire(now)
		s.log.add(newLogEntry(e, body))
	}
	s.mu.Unlock()
	s.changed()
}

// send makes the only attempt and reports whether to log it. A delivery that
// times out is not logged: the server's deadline covers saving the event, too.
func (s *Sandbox) send(id string, h deviceChange, at time.Time, in *integration, status *deliveryStatus) bool {
	event, err := webhook.NewEvent(id, h.typ, at, h.data)
	if err != nil {
		s.opts.Logf("cannot deliver a %s event: %v", h.typ, err)
		return false
	}
	body, err := json.Marshal(event)
	if err != nil {
		s.opts.Logf("cannot deliver a %s event: %v", h.typ, err)
		return false
	}
	c := &in.Credentials
	if c.Type != credentialHTTP || c.HTTP == nil { // replaced by credentials of another provider
		status.Success, status.Error = false, "invalid credentials for webhooks"
		return true
	}
	d := s.sender.Send(s.ctx, c.HTTP.URL, body, c.HTTP.Secret.key())
	target := redactURL(c.HTTP.URL)
	switch {
	case s.ctx.Err() != nil:
		return false
	case d.TimedOut():
		s.opts.Logf("%s to %s: timed out; like the real server, the sandbox does not log this event", h.typ, target)
		return false
	case d.StatusCode != 0:
		status.StatusCode = &d.StatusCode
	}
	if status.Success = d.Success(); !status.Success {
		status.Error = d.Err.Error()
	}
	s.opts.Logf("%s to %s: %s", h.typ, target, outcome(d))
	return true
}

func outcome(d webhook.Delivery) string {
	if d.StatusCode == 0 {
		return "no response"
	}
	return fmt.Sprintf("%d in %v", d.StatusCode, d.Duration.Round(time.Millisecond))
}

// redactURL removes the parts of a URL that may be secret.
func redactURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "an unreadable URL"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// canonical encodes a payload as the server's database returns it, with the
// keys of every object sorted.
func canonical(data any) (json.RawMessage, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}
