package exectarget

import (
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// maxValue limits a value in the environment, in bytes.
const maxValue = 1024

// The prefixes of the variables that are set from the event.
const (
	eventPrefix  = "MENDER_EVENT_"
	headerPrefix = "MENDER_HEADER_"
)

// environment returns the environment of the program: the event, the few variables
// of this process that most programs rely on, and the passed ones. It leaves out all
// others, because they may be credentials, such as an access token for Mender.
func environment(e target.Event, passed []string) []string {
	var env []string
	for _, name := range slices.Concat([]string{"PATH", "HOME", "TZ", "LANG"}, passed) {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	event, _ := webhook.ParseEvent(e.Body) // a body that is not an event has no device
	env = append(env,
		eventPrefix+"ID="+clean(e.ID), eventPrefix+"TYPE="+clean(e.Type),
		eventPrefix+"DEVICE="+clean(event.DeviceID()), eventPrefix+"STATUS="+clean(string(event.DeviceStatus())))
	for _, name := range passedHeaders() {
		if values := e.Header.Values(name); len(values) > 0 {
			env = append(env, headerPrefix+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+"="+clean(values[0]))
		}
	}
	return env
}

// isFromEvent reports whether a variable is set from the event. On Windows, names of
// variables are not case-sensitive.
func isFromEvent(name string) bool {
	name = strings.ToUpper(name)
	return strings.HasPrefix(name, eventPrefix) || strings.HasPrefix(name, headerPrefix)
}

// passedHeaders returns the headers that become variables. The list is fixed,
// because headers are not signed: with a free choice of names, anyone who repeats a
// delivery could set variables.
func passedHeaders() []string {
	return []string{"Content-Type", "Content-Encoding", "User-Agent", "X-Men-Signature", "X-Men-Algorithm", target.HeaderRebuilt}
}

// clean returns a text without control characters and invalid UTF-8, and of at most
// 1 KiB. A NUL byte would even prevent the program's start.
func clean(s string) string {
	if len(s) > maxValue {
		s = s[:maxValue]
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}
