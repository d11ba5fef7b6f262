package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxBody is the largest body of a delivery to read, in bytes: Mender's limit
// for the bodies of its own API.
const MaxBody = 1 << 20

// ErrNotAnEvent is the error for a body that is not a JSON object whose id and
// type are non-empty strings.
var ErrNotAnEvent = errors.New("not a Mender event")

// EventType names what happened to a device. Servers may send types other than the
// constants below.
type EventType string

// The event types of Mender. Only Enterprise servers send
// DeviceInventoryChanged.
const (
	DeviceProvisioned      EventType = "device-provisioned"
	DeviceStatusChanged    EventType = "device-status-changed"
	DeviceDecommissioned   EventType = "device-decommissioned"
	DeviceInventoryChanged EventType = "device-inventory-changed"
)

// EventTypes returns the types that Mender is known to send, in the order of a
// device's life cycle.
func EventTypes() []EventType {
	return []EventType{
		DeviceProvisioned, DeviceStatusChanged, DeviceInventoryChanged, DeviceDecommissioned,
	}
}

// Event is one event as Mender delivers it. Decoding and encoding an event loses
// none of its fields.
type Event struct {
	// ID identifies the event. Mender delivers each event once.
	ID string
	// Type determines the contents of Data.
	Type EventType
	// Time is when the event happened. In deliveries, it is precise to the
	// nanosecond. It is zero if the event has no time or a time that cannot be
	// parsed; Extra then holds the original value, if any.
	Time time.Time
	// Data is the unchanged payload: a Device, StatusChange, Decommission or
	// InventoryChange.
	Data json.RawMessage
	// Extra holds all other fields by their JSON names.
	Extra map[string]json.RawMessage
}

// NewEvent returns an event with data as its payload, encoded as Mender encodes
// it. It fails only if data cannot be encoded.
func NewEvent(id string, typ EventType, at time.Time, data any) (Event, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return Event{}, fmt.Errorf("encode the data of a %s event: %w", typ, err)
	}
	return Event{ID: id, Type: typ, Time: at.UTC(), Data: raw}, nil
}

// ParseEvent reads the body of a delivery. The error wraps ErrNotAnEvent.
func ParseEvent(body []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(body, &e); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrNotAnEvent, err)
	}
	if e.ID == "" || e.Type == "" {
		return Event{}, fmt.Errorf("%w: no id or no type", ErrNotAnEvent)
	}
	return e, nil
}

// UnmarshalJSON implements json.Unmarshaler. It fails unless id and type are
// strings.
func (e *Event) UnmarshalJSON(b []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		return err
	}
	if fields == nil {
		return errors.New("null is not an event")
	}
	*e = Event{}
	if err := take(fields, "id", &e.ID); err != nil {
		return err
	}
	if err := take(fields, "type", &e.Type); err != nil {
		return err
	}
	if raw, ok := fields["data"]; ok {
		e.Data = raw
		delete(fields, "data")
	}
	// An event without a readable time is still an event. The value stays in
	// fields, and so in Extra, as null and the zero time do.
	raw := fields["time"]
	if _ = take(fields, "time", &e.Time); e.Time.IsZero() && raw != nil {
		fields["time"] = raw
	}
	if len(fields) > 0 {
		e.Extra = fields
	}
	return nil
}

// take decodes a field and removes it from fields, unless decoding fails.
func take(fields map[string]json.RawMessage, name string, into any) error {
	raw, ok := fields[name]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("field %q: %w", name, err)
	}
	delete(fields, name)
	return nil
}

// MarshalJSON implements json.Marshaler. It writes Mender's fields in Mender's
// order, and then the fields in Extra by name. Time takes precedence over a time
// in Extra.
func (e Event) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	field := func(name string, value any) error {
		raw, err := json.Marshal(value)
		if err != nil {
			return err
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(name) // encoding a string never fails
		b.Write(key)
		b.WriteByte(':')
		b.Write(raw)
		return nil
	}
	if err := errors.Join(field("id", e.ID), field("type", e.Type)); err != nil {
		return nil, err
	}
	if e.Data != nil {
		if err := field("data", e.Data); err != nil {
			return nil, err
		}
	}
	if !e.Time.IsZero() {
		if err := field("time", e.Time); err != nil {
			return nil, err
		}
	}
	names := make([]string, 0, len(e.Extra))
	for name := range e.Extra {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if name == "time" && !e.Time.IsZero() {
			continue
		}
		if err := field(name, e.Extra[name]); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// DeviceID returns the id of the event's device, or "" if Data has none.
// Inventory events call it device_id; all others call it id.
func (e Event) DeviceID() string {
	var data struct {
		ID       any `json:"id"`
		DeviceID any `json:"device_id"`
	}
	_ = json.Unmarshal(e.Data, &data) // only an object has an id
	id, _ := data.ID.(string)
	if other, ok := data.DeviceID.(string); ok && (id == "" || e.Type == DeviceInventoryChanged) {
		id = other
	}
	return id
}

// DeviceStatus returns the device's new status, or "" if Data has none.
func (e Event) DeviceStatus() DeviceStatus {
	var data struct {
		Status any `json:"status"`
	}
	_ = json.Unmarshal(e.Data, &data) // only an object has a status
	status, _ := data.Status.(string)
	return DeviceStatus(status)
}
