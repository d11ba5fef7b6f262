package eventlog

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/suggest"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// LongType returns the event type that a type without "device-" stands for, or the text
// itself if there is none.
func LongType(typ string) webhook.EventType {
	if long := webhook.EventType("device-" + typ); slices.Contains(webhook.EventTypes(), long) {
		return long
	}
	return webhook.EventType(typ)
}

// WaitFor adds the conditions of --wait-for to the query: type=…, device=… and status=…. A
// condition that contradicts the query, or that is probably misspelled, is a usage error.
func (q Query) WaitFor(conditions []string) (Query, error) {
	seen := map[string]bool{}
	for _, condition := range conditions {
		key, value, _ := strings.Cut(condition, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch {
		case value == "":
			return q, fault.WithHint(fault.Usagef("condition %q in --wait-for has no value", condition), "write type=…, device=… or status=…, comma-separated")
		case seen[key]:
			return q, fault.Usagef("--wait-for has two values for %s", key)
		case key == "type" && len(q.Types) > 0, key == "device" && q.Device != "":
			return q, fault.Usagef("--%s cannot be combined with %s= in --wait-for", key, key)
		}
		seen[key] = true
		switch key {
		case "type":
			q.Types = []webhook.EventType{LongType(value)}
		case "device":
			q.Device = value
		case "status":
			q.Status = webhook.DeviceStatus(value)
		default:
			return q, misspelt("condition", key, []string{"type", "device", "status"}, "use type, device or status")
		}
	}
	return q, cmp.Or(
		checkSpelling("type", q.Types, webhook.EventTypes()),
		checkSpelling("status", []webhook.DeviceStatus{q.Status}, webhook.DeviceStatuses()),
	)
}

// checkSpelling returns a usage error for a value that is similar to a known one, for
// which --wait-for would wait in vain. Others may be known to a newer version of Mender.
func checkSpelling[T ~string](what string, given, known []T) error {
	names := make([]string, len(known))
	for i, name := range known {
		names[i] = string(name)
	}
	for _, value := range given {
		if !slices.Contains(known, value) && suggest.Name(string(value), names) != "" {
			return misspelt(what, string(value), names, "")
		}
	}
	return nil
}

func misspelt(what, value string, known []string, hint string) error {
	if similar := suggest.Name(value, known); similar != "" {
		hint = "did you mean " + similar + "?"
	}
	return fault.WithHint(fault.Usagef("unknown %s %q in --wait-for", what, value), "%s", hint)
}
