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

// happening is what a device did: the payload as it is delivered, and as it
// comes back from the log.
type happening struct {
	typ    webhook.EventType
	device string
	scope  string
	data   any
	logged any
}

// happen makes an event and starts its delivery, if an integration wants it.
// It returns at once. As on the real server there is no limit to what is
// under way, and no order.
func (s *Sandbox) happen(h happening) {
	at := s.opts.Now()
	s.mu.Lock()
	in := s.integration
	connected, known := s.connection(h, in)
	begin := !s.closed && in != nil && in.wants(h.scope)
	if begin {
		s.flights.begin()
	}
	s.mu.Unlock()
	s.changed()
	if !begin {
		return
	}
	go func() {
		defer s.flights.end()
		s.deliver(h, at, in, connected, known)
	}()
}

// wants says whether an integration gets the events of a scope. One without
// scopes gets those of device authentication.
func (in *integration) wants(scope string) bool {
	if len(in.Scopes) == 0 {
		return scope == scopeDeviceAuth
	}
	return slices.Contains(in.Scopes, scope)
}

// connection brings the register of devices up to date and says whether the
// device is known and connected to the integration, if there is one. s.mu is
// held.
func (s *Sandbox) connection(h happening, in *integration) (connected, known bool) {
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

func (s *Sandbox) deliver(h happening, at time.Time, in *integration, connected, known bool) {
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
		s.opts.Logf("can't log a %s event: %v", h.typ, err)
		return
	}
	s.mu.Lock()
	now := milliseconds(s.now())
	entry, err := newLogEntry(loggedEvent{ID: id, Type: h.typ, Data: data, Time: now, DeliveryStatuses: statuses})
	if err == nil {
		s.log.expire(now)
		s.log.add(entry)
	}
	s.mu.Unlock()
	s.changed()
}

// send makes the one attempt and says whether it is to be logged. One that
// runs out of time is not: the deadline covers saving the event.
func (s *Sandbox) send(id string, h happening, at time.Time, in *integration, status *deliveryStatus) bool {
	event, err := webhook.NewEvent(id, h.typ, at, h.data)
	if err != nil {
		s.opts.Logf("can't deliver a %s event: %v", h.typ, err)
		return false
	}
	body, err := json.Marshal(event)
	if err != nil {
		s.opts.Logf("can't deliver a %s event: %v", h.typ, err)
		return false
	}
	c := &in.Credentials
	if c.Type != credentialHTTP || c.HTTP == nil { // replaced by those of another provider
		status.Success, status.Error = false, "invalid credentials for webhooks"
		return true
	}
	d := s.sender.Send(s.ctx, c.HTTP.URL, body, c.HTTP.Secret.key())
	target := printable(c.HTTP.URL)
	switch {
	case s.ctx.Err() != nil:
		return false
	case d.TimedOut():
		s.opts.Logf("%s to %s: no answer in time; as on the real server, this leaves no trace in the log", h.typ, target)
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
		return "no answer"
	}
	return fmt.Sprintf("%d in %v", d.StatusCode, d.Duration.Round(time.Millisecond))
}

// printable is a URL without what may be secret in it.
func printable(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "a URL that can't be read"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// canonical encodes a payload as it comes back from the server's database:
// with the keys of every object sorted.
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
