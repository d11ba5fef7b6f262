package provision

import (
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// shape is a JSON Schema with the keywords that webhooks.schema.json uses. A
// complete JSON Schema library compiles five metaschemas when a program starts,
// which takes longer than everything else that a short command does; a test
// compares shape with it.
type shape struct {
	Ref         string            `json:"$ref"`
	Type        string            `json:"type"`
	Const       any               `json:"const"`
	Enum        []any             `json:"enum"`
	Pattern     string            `json:"pattern"`
	MinLength   int               `json:"minLength"`
	MaxLength   *int              `json:"maxLength"`
	Required    []string          `json:"required"`
	Closed      *bool             `json:"additionalProperties"` // false, or missing
	Properties  map[string]*shape `json:"properties"`
	Items       *shape            `json:"items"`
	MaxItems    *int              `json:"maxItems"`
	UniqueItems bool              `json:"uniqueItems"`
	AnyOf       []*shape          `json:"anyOf"`
	OneOf       []*shape          `json:"oneOf"`
	Definitions map[string]*shape `json:"definitions"`
}

// mistake is a keyword that a value does not satisfy.
type mistake struct {
	path    []string // of the value
	keyword string
	names   []string // of required or additional properties
	index   int      // of the first excess item, or of a duplicate
	isNull  bool
	want    string // the expected type
}

// fileShape returns the schema of the whole file.
var fileShape = sync.OnceValue(func() *shape { //nolint:gochecknoglobals // decoded once, when it is needed
	s := &shape{}
	if err := json.Unmarshal([]byte(schema), s); err != nil {
		panic(err) // a test decodes it
	}
	return s
})

// check returns the mistakes in the value at path.
func (s *shape) check(root *shape, path []string, value any) []mistake {
	if s.Ref != "" {
		return root.Definitions[strings.TrimPrefix(s.Ref, "#/definitions/")].check(root, path, value)
	}
	if s.Type != "" && typeOf(value) != s.Type {
		return []mistake{{path: path, keyword: "type", want: s.Type, isNull: value == nil}}
	}
	var found []mistake
	if s.Const != nil && !reflect.DeepEqual(s.Const, value) {
		found = append(found, mistake{path: path, keyword: "const"})
	}
	if s.Enum != nil && !slices.ContainsFunc(s.Enum, func(e any) bool { return reflect.DeepEqual(e, value) }) {
		found = append(found, mistake{path: path, keyword: "enum"})
	}
	matches := func(all []*shape) (n int) {
		for _, one := range all {
			if len(one.check(root, path, value)) == 0 {
				n++
			}
		}
		return n
	}
	if s.AnyOf != nil && matches(s.AnyOf) == 0 {
		found = append(found, mistake{path: path, keyword: "anyOf"})
	}
	if s.OneOf != nil && matches(s.OneOf) != 1 {
		found = append(found, mistake{path: path, keyword: "oneOf"})
	}
	switch v := value.(type) {
	case map[string]any:
		found = append(found, s.checkObject(root, path, v)...)
	case []any:
		found = append(found, s.checkArray(root, path, v)...)
	case string:
		n := utf8.RuneCountInString(v)
		if n < s.MinLength || s.MaxLength != nil && n > *s.MaxLength || s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v) {
			found = append(found, mistake{path: path, keyword: "string"})
		}
	}
	return found
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
		switch {
		case property != nil:
			found = append(found, property.check(root, child(path, name), v[name])...)
		case s.Closed != nil:
			additional = append(additional, name)
		}
	}
	if missing != nil {
		found = append(found, mistake{path: path, keyword: "required", names: missing})
	}
	if additional != nil {
		found = append(found, mistake{path: path, keyword: "additionalProperties", names: additional})
	}
	return found
}

func (s *shape) checkArray(root *shape, path []string, v []any) (found []mistake) {
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
			found = append(found, s.Items.check(root, child(path, strconv.Itoa(i)), item)...)
		}
	}
	return found
}

// typeOf returns JSON Schema's name for a value's type.
func typeOf(value any) string {
	switch value.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	}
	return "other"
}
