package receiver

import (
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// peek returns the id and the type of the event in body, or the error of
// webhook.ParseEvent. It reads what ParseEvent reads at a fraction of the cost,
// since the rest is checked but not decoded.
func peek(body []byte) (id string, typ webhook.EventType, err error) {
	if valid(body) {
		if id, typ, ok := scan(body); ok {
			return id, typ, nil
		}
	}
	// Not an event, or one with unusual spelling.
	e, err := webhook.ParseEvent(body)
	return e.ID, e.Type, err
}

// valid checks JSON. gjson takes a third of the time that encoding/json needs,
// but recurses for each bracket, so it is only used for bodies of usual size.
func valid(body []byte) bool {
	if len(body) <= smallBody {
		return gjson.ValidBytes(body)
	}
	return json.Valid(body)
}

// scan reads the members of a valid JSON object. ok is false if ParseEvent
// might read them differently.
func scan(body []byte) (id string, typ webhook.EventType, ok bool) {
	event := gjson.ParseBytes(body)
	ok = event.IsObject()
	event.ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "id":
			id, ok = value.Str, isPlain(value)
		case "type":
			typ, ok = webhook.EventType(value.Str), isPlain(value)
		}
		return ok
	})
	return id, typ, ok && id != "" && typ != ""
}

// isPlain reports whether a value is a string of printable ASCII characters,
// none of them escaped, which every parser reads in the same way.
func isPlain(value gjson.Result) bool {
	return value.Type == gjson.String && !strings.ContainsFunc(value.Raw, func(r rune) bool {
		return r == '\\' || r < ' ' || r > '~'
	})
}
