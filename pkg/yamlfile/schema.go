package yamlfile

import (
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Schema is a JSON Schema (draft 7) with the keywords of this project's files. It ignores
// allOf, if, not and propertyNames, which are for editors: the reader of the file checks
// them with messages that are more precise. A complete JSON Schema library compiles five
// metaschemas when a program starts, which takes longer than everything else that a short
// command does; tests compare a Schema with it.
type Schema struct{ root shape }

// ParseSchema parses a schema. It panics if the text is not one, since schemas are part of
// the program.
func ParseSchema(text string) *Schema {
	s := &Schema{}
	if err := json.Unmarshal([]byte(text), &s.root); err != nil {
		panic(err)
	}
	return s
}

// shape is a schema or a part of one.
type shape struct {
	Ref         string            `json:"$ref"`
	Type        string            `json:"type"`
	Const       any               `json:"const"`
	Enum        []any             `json:"enum"`
	Pattern     string            `json:"pattern"`
	MinLength   int               `json:"minLength"`
	MaxLength   *int              `json:"maxLength"`
	Minimum     *float64          `json:"minimum"`
	Maximum     *float64          `json:"maximum"`
	Required    []string          `json:"required"`
	Additional  *shape            `json:"additionalProperties"`
	Properties  map[string]*shape `json:"properties"`
	Items       *shape            `json:"items"`
	MinItems    int               `json:"minItems"`
	MaxItems    *int              `json:"maxItems"`
	UniqueItems bool              `json:"uniqueItems"`
	AnyOf       []*shape          `json:"anyOf"`
	OneOf       []*shape          `json:"oneOf"`
	Definitions map[string]*shape `json:"definitions"`

	never bool // the schema false
}

// UnmarshalJSON implements json.Unmarshaler. A schema can also be true or false.
func (s *shape) UnmarshalJSON(text []byte) error {
	if json.Unmarshal(text, &s.never) == nil {
		s.never = !s.never
		return nil
	}
	type plain shape // without this method
	return json.Unmarshal(text, (*plain)(s))
}

// mistake is a keyword that a value does not satisfy.
type mistake struct {
	path    []string // of the value
	keyword string
	names   []string // of required or additional properties
	known   []string // the properties that there may be, for additional ones
	index   int      // of the first excess item, or of a duplicate
	isNull  bool
	want    string // the expected type
}

// check returns the mistakes in the value at path.
func (s *shape) check(root *shape, path []string, value any) []mistake {
	if s.Ref != "" {
		return root.Definitions[strings.TrimPrefix(s.Ref, "#/definitions/")].check(root, path, value)
	}
	if s.Type != "" && !isType(value, s.Type) {
		return []mistake{{path: path, keyword: "type", want: s.Type, isNull: value == nil}}
	}
	var found []mistake
	if s.Const != nil && !reflect.DeepEqual(s.Const, value) {
		found = append(found, mistake{path: path, keyword: "const"})
	}
	if s.Enum != nil && !slices.ContainsFunc(s.Enum, func(e any) bool { return reflect.DeepEqual(e, value) }) {
		found = append(found, mistake{path: path, keyword: "enum"})
	}
	if s.AnyOf != nil && matches(s.AnyOf, root, path, value) == 0 {
		found = append(found, mistake{path: path, keyword: "anyOf"})
	}
	if s.OneOf != nil && matches(s.OneOf, root, path, value) != 1 {
		found = append(found, mistake{path: path, keyword: "oneOf"})
	}
	switch v := value.(type) {
	case map[string]any:
		found = append(found, s.checkObject(root, path, v)...)
	case []any:
		found = append(found, s.checkArray(root, path, v)...)
	case string:
		if !s.fits(v) {
			found = append(found, mistake{path: path, keyword: "string"})
		}
	}
	if n, ok := number(value); ok && (s.Minimum != nil && n < *s.Minimum || s.Maximum != nil && n > *s.Maximum) {
		found = append(found, mistake{path: path, keyword: "number"})
	}
	return found
}

// matches returns how many of the schemas a value satisfies.
func matches(all []*shape, root *shape, path []string, value any) (n int) {
	for _, one := range all {
		if len(one.check(root, path, value)) == 0 {
			n++
		}
	}
	return n
}

// fits reports whether a text has the length and the pattern that the schema requires.
func (s *shape) fits(text string) bool {
	n := utf8.RuneCountInString(text)
	return n >= s.MinLength && (s.MaxLength == nil || n <= *s.MaxLength) &&
		(s.Pattern == "" || regexp.MustCompile(s.Pattern).MatchString(text))
}

func (s *shape) checkObject(root *shape, path []string, v map[string]any) (found []mistake) {
	var missing, additional []string
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			missing = append(missing, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		property := s.Properties[name]
		if property == nil {
			property = s.Additional
		}
		switch {
		case property == nil:
		case property.never:
			additional = append(additional, name)
		default:
			found = append(found, property.check(root, Child(path, name), v[name])...)
		}
	}
	if missing != nil {
		found = append(found, mistake{path: path, keyword: "required", names: missing})
	}
	if additional != nil {
		found = append(found, mistake{path: path, keyword: "additionalProperties", names: additional, known: slices.Sorted(maps.Keys(s.Properties))})
	}
	return found
}

func (s *shape) checkArray(root *shape, path []string, v []any) (found []mistake) {
	if len(v) < s.MinItems {
		found = append(found, mistake{path: path, keyword: "minItems"})
	}
	if s.MaxItems != nil && len(v) > *s.MaxItems {
		found = append(found, mistake{path: path, keyword: "maxItems", index: *s.MaxItems})
	}
	for i, item := range v {
		if s.UniqueItems && slices.ContainsFunc(v[:i], func(other any) bool { return reflect.DeepEqual(other, item) }) {
			found = append(found, mistake{path: path, keyword: "uniqueItems", index: i})
			break
		}
	}
	if s.Items != nil {
		for i, item := range v {
			found = append(found, s.Items.check(root, Child(path, strconv.Itoa(i)), item)...)
		}
	}
	return found
}

// isType reports whether a value has a type of JSON Schema, for which 8.0 is an integer.
func isType(value any, want string) (ok bool) {
	switch want {
	case "object":
		_, ok = value.(map[string]any)
	case "array":
		_, ok = value.([]any)
	case "string":
		_, ok = value.(string)
	case "integer":
		n, isNumber := number(value)
		ok = isNumber && n == math.Trunc(n)
	}
	return ok
}

// number returns the value of a number.
func number(value any) (float64, bool) {
	switch n := value.(type) {
	case uint64:
		return float64(n), true
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}
