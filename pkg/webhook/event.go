package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxBody is the size in bytes up to which a delivery is worth reading: the
// limit Mender sets on its own API bodies.
const MaxBody = 1 << 20

// ErrNotAnEvent says that a body is no Mender event: not a JSON object, or
// without a string for its id or its type.
var ErrNotAnEvent = errors.New("not a Mender event")

// EventType says what happened. A type that is not among the constants is
// kept as it came.
type EventType string

// The event types of Mender. DeviceInventoryChanged comes from Enterprise
// servers alone.
const (
	DeviceProvisioned      EventType = "device-provisioned"
	DeviceStatusChanged    EventType = "device-status-changed"
	DeviceDecommissioned   EventType = "device-decommissioned"
	DeviceInventoryChanged EventType = "device-inventory-changed"
)

// EventTypes returns the types that Mender is known to send, in the order in
// which a device goes through them.
func EventTypes() []EventType {
	return []EventType{
		DeviceProvisioned, DeviceStatusChanged, DeviceInventoryChanged, DeviceDecommissioned,
	}
}

// Event is one event as Mender delivers it. What the struct has no name for
// is kept in Extra, so that encoding a decoded event loses nothing.
type Event struct {
	// ID identifies the event. Mender sends each event under one id, once.
	ID string
	// Type says what happened, and so what Data holds.
	Type EventType
	// Time is when the event happened, in a delivery to the nanosecond. The
	// zero time stands for none, or for one that could not be read; what
	// could not be read is in Extra.
	Time time.Time
	// Data is the payload as it came: see Device, StatusChange,
	// Decommission and InventoryChange.
	Data json.RawMessage
	// Extra holds the fields this package does not know, by their JSON name.
	Extra map[string]json.RawMessage
}

// NewEvent makes an event whose payload is data, encoded as Mender encodes
// it. It fails only where data can't be encoded.
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
		return Event{}, fmt.Errorf("%w: it lacks an id or a type", ErrNotAnEvent)
	}
	return e, nil
}

// UnmarshalJSON reads an event. A field of the wrong kind is an error for id
// and type, and goes to Extra for time.
func (e *Event) UnmarshalJSON(b []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		return err
	}
	if fields == nil {
		return errors.New("null is no event")
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
	// A time that can't be read is no reason to lose the event: it stays in
	// fields, and so in Extra. So does null, and the zero time.
	raw := fields["time"]
	if _ = take(fields, "time", &e.Time); e.Time.IsZero() && raw != nil {
		fields["time"] = raw
	}
	if len(fields) > 0 {
		e.Extra = fields
	}
	return nil
}

// take moves one field out of fields. What can't be decoded stays there.
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

// MarshalJSON writes the event with its fields in Mender's order, then those
// of Extra by name. A time in Extra gives way to Time.
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
		key, _ := json.Marshal(name) // a string always encodes
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

// DeviceID returns the id of the device that the event is about, or "" where
// Data does not say. It is called device_id in inventory events, and id in all
// others.
func (e Event) DeviceID() string {
	var data struct {
		ID       any `json:"id"`
		DeviceID any `json:"device_id"`
	}
	_ = json.Unmarshal(e.Data, &data) // what is no object has no id
	id, _ := data.ID.(string)
	if other, ok := data.DeviceID.(string); ok && (id == "" || e.Type == DeviceInventoryChanged) {
		id = other
	}
	return id
}

// DeviceStatus returns the status that the event reports, or "" where it
// reports none.
func (e Event) DeviceStatus() DeviceStatus {
	var data struct {
		Status any `json:"status"`
	}
	_ = json.Unmarshal(e.Data, &data) // what is no object has no status
	status, _ := data.Status.(string)
	return DeviceStatus(status)
}
