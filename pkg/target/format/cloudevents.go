package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// typePrefix is the reverse domain name of the organization that defines the types.
const typePrefix = "io.mender."

// cloudEvent is a CloudEvent in structured mode, in JSON.
type cloudEvent struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	Subject         string          `json:"subject,omitempty"`
	Time            string          `json:"time,omitempty"`
	DataContentType string          `json:"datacontenttype,omitempty"`
	Data            json.RawMessage `json:"data,omitempty"`
}

// CloudEvents returns a target that sends each event to next as a CloudEvent 1.0, in
// structured mode: JSON with the content type application/cloudevents+json.
//
// The id is the event's, the type is Mender's after "io.mender.", the subject is the
// id of the device, and the data is Mender's, with the same digits in numbers. Subject
// and time are left out if the event has none that CloudEvents allows. The result is
// not signed.
//
// The source is a URI reference, such as the one of Source. An event without an id or
// a type, or with control characters in them, is a permanent error.
func CloudEvents(next target.Target, source string) target.Target {
	return &formatted{Target: next, name: "a CloudEvent", encode: func(e target.Event) (target.Event, error) {
		body, err := encodeCloudEvent(e.Body, source)
		if err != nil {
			return target.Event{}, err
		}
		e.Header, e.Body = without(e.Header, "Content-Encoding"), body
		e.Header.Set("Content-Type", "application/cloudevents+json")
		return e, nil
	}}
}

// Source returns the source of the events of an endpoint, which may have no name:
// "/mender" or "/mender/ENDPOINT". It depends on nothing else, so that an event keeps
// its source and id, by which receivers recognize duplicates.
func Source(endpoint string) string {
	if endpoint == "" {
		return "/mender"
	}
	return "/mender/" + url.PathEscape(endpoint)
}

func encodeCloudEvent(body []byte, source string) ([]byte, error) {
	event, err := webhook.ParseEvent(body)
	switch {
	case errors.Is(err, webhook.ErrNotAnEvent):
		return nil, webhook.ErrNotAnEvent // the rest may quote the event
	case err != nil:
		return nil, err
	case !isAttribute(event.ID):
		return nil, errors.New("its id has control characters")
	case !isAttribute(string(event.Type)):
		return nil, errors.New("its type has control characters")
	}
	out := cloudEvent{SpecVersion: "1.0", ID: event.ID, Source: source, Type: typePrefix + string(event.Type)}
	if device := event.DeviceID(); isAttribute(device) {
		out.Subject = device
	}
	if !event.Time.IsZero() {
		out.Time = event.Time.Format(time.RFC3339Nano)
	}
	if event.Data != nil {
		out.DataContentType, out.Data = "application/json", event.Data
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(out); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// isAttribute reports whether a string has no character that CloudEvents forbids in
// attributes: control characters and what Unicode defines as noncharacters.
func isAttribute(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Noncharacter_Code_Point, r)
	})
}
