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

	"github.com/goccy/go-yaml"
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

// Comparison compares what a reader and a schema accept, for files that are changed at
// random.
type Comparison struct {
	Seed, Rounds uint64
	// Files are right files, as YAML.
	Files []string
	// Keys and Values are what the changes put into them.
	Keys   []string
	Values []any
	// Read reads a file. It returns nil for errors that no schema finds.
	Read func(text []byte) error
	// Accepted and Refused are how many files must be, so that the test sees enough of both.
	Accepted, Refused int
}

// Run makes the comparison.
func (c Comparison) Run(t *testing.T, schema string) {
	t.Helper()
	s := Compile(t, schema)
	accepted, refused := 0, 0
	for seed := range c.Rounds {
		r := mutator{rand.New(rand.NewPCG(seed, c.Seed)), c.Keys, c.Values} //nolint:gosec // a test is to be repeatable
		var value any
		if err := yaml.Unmarshal([]byte(c.Files[r.IntN(len(c.Files))]), &value); err != nil {
			t.Fatal(err)
		}
		for range r.IntN(3) {
			value = r.mutate(value)
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		readErr, schemaErr := c.Read(text), s.Validate(AsJSON(t, value))
		if (readErr == nil) != (schemaErr == nil) {
			t.Fatalf("seed %d: the reader says %v; the schema says %v; of %s", seed, readErr, schemaErr, text)
		}
		if readErr == nil {
			accepted++
		} else {
			refused++
		}
	}
	if accepted < c.Accepted || refused < c.Refused {
		t.Errorf("%d accepted, %d refused: the test sees too little of one", accepted, refused)
	}
}

// mutator changes values at random.
type mutator struct {
	*rand.Rand
	keys   []string
	values []any
}

// mutate makes one change somewhere in a value: it removes, adds or renames a key,
// or replaces a value.
func (m mutator) mutate(value any) any {
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
			v[i] = m.mutate(v[i])
			return v
		}
	}
	return m.value()
}

func (m mutator) mutateMap(v map[string]any) any {
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
		v[key] = m.mutate(v[key])
	}
	return v
}

func (m mutator) key() string { return m.keys[m.IntN(len(m.keys))] }

// value returns one of the values as a copy, which later changes do not share.
func (m mutator) value() (value any) {
	text, err := json.Marshal(m.values[m.IntN(len(m.values))])
	if err == nil {
		err = json.Unmarshal(text, &value)
	}
	if err != nil {
		panic(err) // the values are JSON
	}
	return value
}
