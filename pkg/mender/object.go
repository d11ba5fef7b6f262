package mender

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// field is one member of a JSON object, to be read or written.
type field struct {
	name  string
	value any
	omit  bool // do not write it
	must  bool // fail if it cannot be decoded
}

// decodeObject decodes the members that fields name, and returns the other
// members. A member that is null or of an unexpected kind is returned as well,
// so that the answer of a newer server is shown unchanged.
func decodeObject(b []byte, fields ...field) (map[string]json.RawMessage, error) {
	var rest map[string]json.RawMessage
	if err := json.Unmarshal(b, &rest); err != nil {
		return nil, err
	}
	if rest == nil {
		return nil, errors.New("null instead of an object")
	}
	for _, f := range fields {
		raw, ok := rest[f.name]
		if !ok || string(raw) == "null" {
			continue
		}
		if err := json.Unmarshal(raw, f.value); err == nil {
			delete(rest, f.name)
		} else if f.must {
			return nil, fmt.Errorf("field %q: %w", f.name, err)
		}
	}
	if len(rest) == 0 {
		return nil, nil
	}
	return rest, nil
}

// encodeObject writes fields in order, then the other members, sorted by name. A
// member with the name of a field replaces the field's value: decodeObject could
// not decode it.
func encodeObject(others map[string]json.RawMessage, fields ...field) ([]byte, error) {
	known := len(fields)
	for _, name := range slices.Sorted(maps.Keys(others)) {
		add := field{name: name, value: others[name]}
		if i := slices.IndexFunc(fields[:known], func(f field) bool { return f.name == name }); i >= 0 {
			fields[i] = add
		} else {
			fields = append(fields, add)
		}
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for _, f := range fields {
		if f.omit {
			continue
		}
		raw, err := json.Marshal(f.value)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", f.name, err)
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		name, _ := json.Marshal(f.name) // a string always encodes
		b.Write(name)
		b.WriteByte(':')
		b.Write(raw)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
