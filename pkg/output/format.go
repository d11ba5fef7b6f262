package output

import (
	"fmt"
	"slices"
	"strings"
)

// Format is an output format, the value of --output.
type Format string

// The formats. JSON is indented, JSONL has one object per line, Name prints only
// ids, and None prints nothing.
const (
	Table Format = "table"
	JSON  Format = "json"
	JSONL Format = "jsonl"
	YAML  Format = "yaml"
	Name  Format = "name"
	None  Format = "none"
)

// templated is the format of Options.Template.
const templated Format = "template"

// Formats returns all formats, in the order in which help lists them.
func Formats() []Format { return []Format{Table, JSON, JSONL, YAML, Name, None} }

// ParseFormat returns the named format, which must be one of accepted, if any are
// given. The error lists the valid formats.
func ParseFormat(text string, accepted ...Format) (Format, error) {
	if len(accepted) == 0 {
		accepted = Formats()
	}
	if f := Format(text); slices.Contains(accepted, f) {
		return f, nil
	}
	return "", fmt.Errorf("unknown output format %q: choose one of %s", Safe(text), Choices(accepted...))
}

// Choices lists formats for help and error messages: "table, json, yaml".
func Choices(formats ...Format) string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = string(f)
	}
	return strings.Join(names, ", ")
}
