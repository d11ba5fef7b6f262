// Package schematest helps tests to compare the reader of a file with the file's JSON
// Schema, which a complete JSON Schema library checks.
package schematest

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Compile returns a schema, compiled by the library.
func Compile(t *testing.T, text string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err == nil {
		err = c.AddResource("file.schema.json", doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("file.schema.json")
}

// AsJSON returns a value as the library wants it.
func AsJSON(t *testing.T, value any) any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	back, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// Mutator changes values at random.
type Mutator struct {
	*rand.Rand
	Keys   []string
	Values []any
}

// Mutate makes one change somewhere in a value: it removes, adds or renames a key,
// or replaces a value.
func (m Mutator) Mutate(value any) any {
	switch v := value.(type) {
	case map[string]any:
		return m.mutateMap(v)
	case []any:
		switch n := m.IntN(6); {
		case n == 0:
			return append(v, m.value())
		case n == 1 && len(v) > 0:
			return v[1:]
		case n > 1 && len(v) > 0:
			i := m.IntN(len(v))
			v[i] = m.Mutate(v[i])
			return v
		}
	}
	return m.value()
}

func (m Mutator) mutateMap(v map[string]any) any {
	keys := slices.Sorted(maps.Keys(v))
	if len(keys) == 0 || m.IntN(10) == 0 {
		v[m.key()] = m.value()
		return v
	}
	key := keys[m.IntN(len(keys))]
	switch m.IntN(8) {
	case 0:
		delete(v, key)
	case 1:
		v[m.key()] = v[key]
		delete(v, key)
	default:
		v[key] = m.Mutate(v[key])
	}
	return v
}

func (m Mutator) key() string { return m.Keys[m.IntN(len(m.Keys))] }

// value returns one of Values as a copy, which later changes do not share.
func (m Mutator) value() (value any) {
	text, err := json.Marshal(m.Values[m.IntN(len(m.Values))])
	if err == nil {
		err = json.Unmarshal(text, &value)
	}
	if err != nil {
		panic(err) // the values are JSON
	}
	return value
}
