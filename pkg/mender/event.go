package mender

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// StatusNotRecorded is the status code of a delivery, on device-provisioned
// alone, that says that the server failed to record the device. The webhook
// may well have been delivered.
const StatusNotRecorded = 1500

// Event is one event of the log. Its Time is when the server saved it, cut to
// milliseconds, and its Data is not, byte for byte, what was delivered: the
// signature of a delivery can't be checked from the log.
//
// An event of the log encodes to the bytes that the server sent, unknown
// fields included, whatever is done to its fields.
//
// Raw, Data and Extra share the memory of the page that the event came on, up
// to some 100 KiB: keep a Clone of an event that is to be kept for long. The
// strings are the event's own.
type Event struct {
	webhook.Event
	// DeliveryStatuses say how the deliveries went. The server leaves them
	// out where there was none.
	DeliveryStatuses []DeliveryStatus

	raw json.RawMessage
}

// DeliveryStatus is how the delivery to one integration went.
type DeliveryStatus struct {
	IntegrationID string `json:"integration_id"`
	Success       bool   `json:"success"`
	// StatusCode is the receiver's answer; 0 where none came, and for
	// iot-hub and iot-core. See StatusNotRecorded.
	StatusCode int `json:"status_code,omitempty"`
	// Error is text from outside, and may quote a URL with a token in it.
	Error string `json:"error,omitempty"`
}

// Failed reports whether a delivery of the event failed.
func (e Event) Failed() bool {
	for _, d := range e.DeliveryStatuses {
		if !d.Success {
			return true
		}
	}
	return false
}

// Raw returns the JSON that the server sent; don't change it. It is nil for
// an event that did not come from a server.
func (e Event) Raw() json.RawMessage { return e.raw }

// Clone returns an event that shares no memory with others.
func (e Event) Clone() Event {
	if e.raw == nil {
		return e
	}
	var own Event
	_ = own.UnmarshalJSON(e.raw) // it has been read once
	return own
}

// UnmarshalJSON reads an event of the log and keeps its JSON.
func (e *Event) UnmarshalJSON(b []byte) error {
	if !json.Valid(b) { // json.Unmarshal has seen to it, but anyone may call this
		return errors.New("an event that is not JSON")
	}
	s := scan{text: bytes.Clone(b)}
	if s.space(); s.text[s.at] != '{' {
		return errors.New("an event that is not an object")
	}
	r := reader{page: s.text}
	*e = Event{}
	return r.event(&s, e)
}

// MarshalJSON returns what the server sent; for an event that was not read
// from JSON, its fields.
func (e Event) MarshalJSON() ([]byte, error) {
	if e.raw != nil {
		return e.raw, nil
	}
	if e.DeliveryStatuses == nil {
		return e.Event.MarshalJSON()
	}
	raw, err := json.Marshal(e.DeliveryStatuses)
	if err != nil {
		return nil, err
	}
	whole := e.Event
	whole.Extra = map[string]json.RawMessage{"delivery_statuses": raw}
	for name, value := range e.Extra {
		whole.Extra[name] = value
	}
	return whole.MarshalJSON()
}
