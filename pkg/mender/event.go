package mender

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/tidwall/gjson"

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

// UnmarshalJSON reads an event of the log and keeps its JSON.
func (e *Event) UnmarshalJSON(b []byte) error {
	if !json.Valid(b) { // json.Unmarshal has seen to it, but anyone may call this
		return errors.New("an event that is not JSON")
	}
	v := gjson.ParseBytes(b)
	if !v.IsObject() {
		return errors.New("an event that is not an object")
	}
	return e.read(v)
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

// decodeEvents reads a page of the log. It takes a quarter of the time that
// encoding/json needs: the bytes are checked once, then only what is wanted is
// looked at.
func decodeEvents(page []byte) ([]Event, error) {
	if !valid(page) {
		// Let the standard library say what is wrong with it.
		var raw json.RawMessage
		if err := json.Unmarshal(page, &raw); err != nil {
			return nil, err
		}
	}
	list := gjson.ParseBytes(page)
	if !list.IsArray() {
		return nil, errors.New("it is not a list")
	}
	events := make([]Event, 0, len(page)/256)
	var err error
	list.ForEach(func(_, v gjson.Result) bool {
		if !v.IsObject() {
			err = errors.New("an event is not an object")
			return false
		}
		var e Event
		if err = e.read(v); err != nil {
			return false
		}
		events = append(events, e)
		return true
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}

// valid checks JSON, as fast as can be done safely: gjson's own check is three
// times as fast as the standard library's, but goes one call deeper for each
// bracket, which a page of nothing else could overdo.
func valid(page []byte) bool {
	if len(page) <= 1<<20 {
		return gjson.ValidBytes(page)
	}
	return json.Valid(page)
}

// read takes an event from a valid JSON object. It copies what it keeps, so
// that one event that is kept does not keep its page.
func (e *Event) read(v gjson.Result) error {
	*e = Event{raw: json.RawMessage(v.Raw)}
	part := func(r gjson.Result) json.RawMessage { // of raw, without another copy
		from := r.Index - v.Index
		return e.raw[from : from+len(r.Raw) : from+len(r.Raw)]
	}
	v.ForEach(func(key, value gjson.Result) bool {
		switch known := e.set(key.Str, value); {
		case known:
		case key.Str == "data":
			e.Data = part(value)
		default:
			if e.Extra == nil {
				e.Extra = map[string]json.RawMessage{}
			}
			e.Extra[key.Str] = part(value)
		}
		return true
	})
	if e.ID == "" || e.Type == "" {
		return errors.New("an event lacks an id or a type")
	}
	return nil
}

// set takes the value of a field, if it is one that is known and of the kind
// that is expected.
func (e *Event) set(name string, value gjson.Result) bool {
	switch name {
	case "id":
		e.ID = copyOf(value)
		return value.Type == gjson.String
	case "type":
		e.Type = typeOf(value)
		return value.Type == gjson.String
	case "time":
		at, err := time.Parse(time.RFC3339Nano, value.Str)
		if err == nil {
			e.Time = at
		}
		return err == nil
	case "delivery_statuses":
		e.DeliveryStatuses = deliveries(value)
		return value.IsArray()
	}
	return false
}

// copyOf returns a string of its own, since gjson's share the whole page.
func copyOf(v gjson.Result) string {
	if v.Type != gjson.String {
		return ""
	}
	return string([]byte(v.Str))
}

func typeOf(v gjson.Result) webhook.EventType {
	switch known := webhook.EventType(v.Str); known {
	case webhook.DeviceProvisioned:
		return webhook.DeviceProvisioned
	case webhook.DeviceStatusChanged:
		return webhook.DeviceStatusChanged
	case webhook.DeviceDecommissioned:
		return webhook.DeviceDecommissioned
	case webhook.DeviceInventoryChanged:
		return webhook.DeviceInventoryChanged
	}
	return webhook.EventType(copyOf(v))
}

func deliveries(list gjson.Result) []DeliveryStatus {
	var all []DeliveryStatus
	list.ForEach(func(_, v gjson.Result) bool {
		var d DeliveryStatus
		v.ForEach(func(key, value gjson.Result) bool {
			switch key.Str {
			case "integration_id":
				d.IntegrationID = copyOf(value)
			case "success":
				d.Success = value.Bool()
			case "status_code":
				d.StatusCode = int(value.Int())
			case "error":
				d.Error = copyOf(value)
			}
			return true
		})
		all = append(all, d)
		return true
	})
	return all
}
