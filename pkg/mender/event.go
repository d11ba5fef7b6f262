package mender

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// StatusNotRecorded is the status code that the log shows for a delivery of
// device-provisioned if the server failed to record the device. The delivery
// itself may have succeeded.
const StatusNotRecorded = 1500

// Event is one event in the log. Its Time is when the server saved it, truncated to
// milliseconds. Its Data is encoded differently than in the delivery, so the
// delivery's signature cannot be checked from the log.
//
// An Event that was read from JSON encodes to the same bytes, including unknown
// fields, even if its fields were changed since.
type Event struct {
	webhook.Event

	raw        json.RawMessage
	deliveries json.RawMessage // a list, or nil
}

// DeliveryStatus is the result of the delivery to one integration.
type DeliveryStatus struct {
	IntegrationID string `json:"integration_id"`
	Success       bool   `json:"success"`
	// StatusCode is the HTTP status that the receiver answered with; 0 if it
	// did not answer, and for iot-hub and iot-core. See StatusNotRecorded.
	StatusCode int `json:"status_code,omitempty"`
	// Error is untrusted text, and may quote a URL that contains a token.
	Error string `json:"error,omitempty"`
}

// Deliveries returns the result of each delivery. It decodes them each time it is called.
func (e Event) Deliveries() (all []DeliveryStatus) {
	gjson.ParseBytes(e.deliveries).ForEach(func(_, status gjson.Result) bool {
		all = append(all, deliveryStatus(status))
		return true
	})
	return all
}

// Failed reports whether a delivery of the event failed.
func (e Event) Failed() bool {
	return slices.ContainsFunc(e.Deliveries(), func(d DeliveryStatus) bool { return !d.Success })
}

// Raw returns the JSON that the server sent, or nil if the event was not read
// from JSON. Do not change it.
func (e Event) Raw() json.RawMessage { return e.raw }

// UnmarshalJSON decodes an event of the log and keeps a copy of its JSON.
func (e *Event) UnmarshalJSON(b []byte) error {
	if !json.Valid(b) { // json.Unmarshal validates first, but a direct caller may not
		return errors.New("an event is not JSON")
	}
	b = bytes.TrimSpace(bytes.Clone(b))
	return e.parse(b, gjson.ParseBytes(b))
}

// MarshalJSON returns the JSON that the server sent, or the fields of an event
// that was not read from JSON.
func (e Event) MarshalJSON() ([]byte, error) {
	if e.raw != nil {
		return e.raw, nil
	}
	return e.Event.MarshalJSON()
}

// maxRecursion is the largest JSON text that gjson validates, in bytes. gjson is
// three times as fast as the standard library, but recurses at each bracket.
const maxRecursion = 1 << 20

// parsePage checks that a page of the log is a JSON list, and returns its items. null
// counts as an empty list.
func parsePage(page []byte) (items []gjson.Result, err error) {
	if len(page) > maxRecursion && !json.Valid(page) || len(page) <= maxRecursion && !gjson.ValidBytes(page) {
		var raw json.RawMessage
		return nil, json.Unmarshal(page, &raw) // its error describes the mistake
	}
	list := gjson.ParseBytes(page)
	if list.Type == gjson.Null {
		return nil, nil
	}
	if !list.IsArray() {
		return nil, errors.New("it is not a list")
	}
	items = make([]gjson.Result, 0, len(page)/256) // an event has about 300 bytes
	list.ForEach(func(_, item gjson.Result) bool {
		items = append(items, item)
		return true
	})
	return items, nil
}

// decodeEvents decodes the items of a page. They share the page's memory.
func decodeEvents(page []byte, items []gjson.Result) ([]Event, error) {
	events := make([]Event, len(items))
	for i, item := range items {
		if err := events[i].parse(page, item); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// parse decodes an event from an object in text, which must be valid JSON. The
// event shares the memory of text.
func (e *Event) parse(text []byte, object gjson.Result) error {
	if !object.IsObject() {
		return errors.New("an event is not an object")
	}
	*e = Event{raw: bytesOf(text, object)}
	object.ForEach(func(key, value gjson.Result) bool {
		name := unquote(key)
		if e.set(name, text, value) {
			delete(e.Extra, name) // if a name is repeated, its last value counts
			return true
		}
		if e.Extra == nil {
			e.Extra = map[string]json.RawMessage{}
		}
		e.Extra[name] = bytesOf(text, value)
		return true
	})
	if e.ID == "" || e.Type == "" {
		return errors.New("an event has no id or no type")
	}
	return nil
}

// set sets the field with the given name. It returns false if the name is
// unknown or the value is of an unexpected kind.
func (e *Event) set(name string, text []byte, value gjson.Result) bool {
	switch name {
	case "id":
		e.ID = unquote(value)
		return value.Type == gjson.String
	case "type":
		e.Type = webhook.EventType(unquote(value))
		return value.Type == gjson.String
	case "time":
		at, err := time.Parse(time.RFC3339Nano, value.Str)
		if err == nil {
			e.Time = at
		}
		return err == nil
	case "data":
		e.Data = bytesOf(text, value)
		return true
	case "delivery_statuses":
		if !value.IsArray() {
			return false
		}
		e.deliveries = bytesOf(text, value)
		return true
	}
	return false
}

// bytesOf returns the bytes of a value in the text that it was parsed from.
func bytesOf(text []byte, v gjson.Result) json.RawMessage {
	end := v.Index + len(v.Raw)
	return text[v.Index:end:end]
}

// unquote returns the value of a JSON string, or "" for any other kind of value.
// It replaces invalid UTF-8 in the same way as encoding/json.
func unquote(v gjson.Result) string {
	if utf8.ValidString(v.Str) {
		return v.Str
	}
	return string([]rune(v.Str))
}

func deliveryStatus(v gjson.Result) (d DeliveryStatus) {
	v.ForEach(func(name, value gjson.Result) bool {
		switch name.Str {
		case "integration_id":
			d.IntegrationID = unquote(value)
		case "success":
			d.Success = value.Type == gjson.True
		case "status_code":
			d.StatusCode = int(value.Num)
		case "error":
			d.Error = unquote(value)
		}
		return true
	})
	return d
}
