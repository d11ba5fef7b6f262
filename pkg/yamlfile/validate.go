package yamlfile

import (
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/mender-webhooks/mender-webhooks/pkg/suggest"
)

// Validate adds a problem for each mistake that the schema finds in the file's value,
// except for values that already have a problem. Its texts quote no values, which may be secret.
func (r *Reader) Validate(value any) {
	s := r.kind.Schema()
	mistakes := s.root.check(&s.root, nil, value)
	for _, m := range mistakes { // first, because a misspelled key is not missing
		if m.keyword == "additionalProperties" {
			r.unknownKeys(m)
		}
	}
	for _, m := range mistakes {
		r.explain(m)
	}
}

// unknownKeys reports unknown keys. A key that was probably misspelled does not count
// as missing.
func (r *Reader) unknownKeys(m mistake) {
	for _, name := range m.names {
		key, _ := r.find(Child(m.path, name))
		hint := "known keys: " + strings.Join(m.known, ", ")
		if meant := suggest.Name(name, m.known); meant != "" {
			hint = "did you mean " + meant + "?"
			r.wrong[pointer(Child(m.path, meant))] = true
		}
		r.problemAt(positionOf(key), "unknown key %q; %s", name, hint)
	}
}

// explain adds a problem for a mistake.
func (r *Reader) explain(m mistake) {
	path := m.path
	switch m.keyword {
	case "additionalProperties":
		return // see unknownKeys
	case "required":
		for _, name := range m.names {
			if !r.Wrong(Child(path, name)) {
				r.problemAt(r.Position(path), "%s is missing: it %s", name, r.kind.Must(Child(path, name)))
			}
		}
		return
	case "maxItems", "uniqueItems":
		path = Child(path, strconv.Itoa(m.index))
	}
	text := r.kind.Must(path)
	_, node := r.find(path)
	if all := pairs(node); len(all) == 1 && strings.HasPrefix(all[0].Value.String(), "$") {
		text = "write only the variable's name, without $"
	}
	if _, scalar := node.(ast.ScalarNode); scalar && m.keyword == "type" && m.want == "string" && !m.isNull {
		text += "; put it in quotes to make it text"
	}
	if key := Key(path); key != "" {
		text = key + ": " + text
	} else {
		text = "the file " + text
	}
	r.Problem(path, "%s", text)
}

// Key returns the last key of a path, without the indexes that follow it, or "".
func Key(path []string) string {
	for _, step := range slices.Backward(path) {
		if _, err := strconv.Atoi(step); err != nil {
			return step
		}
	}
	return ""
}
