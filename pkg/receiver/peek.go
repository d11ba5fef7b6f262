package receiver

import (
	"bytes"
	"encoding/json"

	"github.com/tidwall/gjson"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// peek returns the id and the type of the event that body holds, and an
// error where webhook.ParseEvent has one. It gives what ParseEvent gives, at
// a fraction of the cost: the rest is only checked, not taken apart.
func peek(body []byte) (id string, typ webhook.EventType, err error) {
	if valid(body) {
		if id, typ, ok := scan(body); ok {
			return id, typ, nil
		}
	}
	// No event, or one that is written in an unusual way.
	e, err := webhook.ParseEvent(body)
	return e.ID, e.Type, err
}

// valid checks JSON: events of the usual size with gjson, which takes a third
// of the time but goes one call deeper for each bracket.
func valid(body []byte) bool {
	if len(body) <= smallBody {
		return gjson.ValidBytes(body)
	}
	return json.Valid(body)
}

// scan walks over the members of a valid JSON object. ok is false where it
// can't be sure to read them as ParseEvent would.
func scan(body []byte) (id string, typ webhook.EventType, ok bool) {
	rest := bytes.TrimLeft(body, " \t\r\n")
	if rest[0] != '{' {
		return "", "", false
	}
	depth, key, isKey := 0, "", false
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '{', '[':
			depth++
			isKey = depth == 1
		case '}', ']':
			depth--
		case ',':
			isKey = depth == 1
		case '"':
			end, plain := quoted(rest, i)
			text := rest[i+1 : end]
			i = end
			switch {
			case depth != 1:
			case isKey && !plain:
				return "", "", false
			case isKey:
				key, isKey = keyOf(text), false
			case key == "id" && plain:
				id, key = string(text), ""
			case key == "type" && plain:
				typ, key = webhook.EventType(text), ""
			case key != "":
				return "", "", false
			}
		case ' ', '\t', '\r', '\n', ':':
		default:
			// A number, true, false or null: no id and no type.
			if depth == 1 && key != "" {
				return "", "", false
			}
		}
		if depth > 1 && key != "" {
			return "", "", false // an object or an array is neither
		}
	}
	return id, typ, id != "" && typ != ""
}

// keyOf tells the two keys that matter from all others.
func keyOf(text []byte) string {
	switch string(text) {
	case "id":
		return "id"
	case "type":
		return "type"
	}
	return ""
}

// quoted returns where the string that begins at i ends, and whether it
// stands for itself, byte for byte.
func quoted(b []byte, i int) (end int, plain bool) {
	plain = true
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			plain = false
			i++
		} else if b[i] >= 0x80 {
			plain = false
		}
	}
	return i, plain
}
