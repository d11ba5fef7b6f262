package provision

import (
	_ "embed" // for the schema
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/mender-webhooks/mender-webhooks/pkg/suggest"
)

//go:embed webhooks.schema.json
var schema string

// Schema is the JSON Schema (draft 7) of a file, for editors and for Read. It
// does not cover what depends on the machine or the server, such as whether a
// variable is set.
func Schema() string { return schema }

// must returns the requirement for a key's value; key "" is the whole file.
func must(key string) string {
	return map[string]string{
		"":             "must have keys and values, such as apiVersion: …",
		"apiVersion":   "must be " + apiVersion,
		"profile":      "must be the name of a profile in the config file",
		"integrations": "must be a list, with - before each entry; write an empty list as []",
		"provider":     "must be webhook",
		"url":          "must be where Mender POSTs the events: text, { env: VARIABLE } or { file: PATH }",
		"secret": "must be a reference, because the file never contains it: { env: VARIABLE }, { file: PATH }, { stored: true }, { generate: true }, " +
			"or { none: true } for deliveries that anyone can forge",
		"description": "must be text",
		"scopes":      "must be a list of words without duplicates, such as [deviceauth, inventory]",
	}[key]
}

// keysOf returns the keys of the file, or of an integration.
func keysOf(path []string) []string {
	if len(path) == 0 {
		return []string{"apiVersion", "integrations", "profile"}
	}
	return []string{"description", "provider", "scopes", "secret", "url"}
}

// validate adds a problem for each mistake that the schema finds.
func (r *reader) validate(value any) {
	mistakes := fileShape().check(fileShape(), nil, value)
	for _, m := range mistakes { // first, because a misspelled key is not missing
		if m.keyword == "additionalProperties" {
			r.unknownKeys(m.path, m.names)
		}
	}
	for _, m := range mistakes {
		r.explain(m)
	}
}

// unknownKeys reports unknown keys. A key that was probably misspelled does not count
// as missing.
func (r *reader) unknownKeys(path, names []string) {
	for _, name := range names {
		key, _ := r.find(child(path, name))
		hint := "known keys: " + strings.Join(keysOf(path), ", ")
		if meant := suggest.Name(name, keysOf(path)); meant != "" {
			hint = "did you mean " + meant + "?"
			r.wrong[pointer(child(path, meant))] = true
		}
		r.problemAt(positionOf(key), "unknown key %q; %s", name, hint)
	}
}

// explain adds a problem for a mistake. Its text quotes nothing that may be a
// secret.
func (r *reader) explain(m mistake) {
	path := m.path
	switch m.keyword {
	case "additionalProperties":
		return // see unknownKeys
	case "required":
		for _, name := range m.names {
			if !r.wrong[pointer(child(path, name))] {
				r.problemAt(r.positionOf(path), "%s is missing: it %s", name, must(name))
			}
		}
		return
	case "maxItems":
		r.problem(child(path, strconv.Itoa(m.index)), "too many integrations: a Mender organization can have %d, of any provider", m.index)
		return
	case "uniqueItems":
		path = child(path, strconv.Itoa(m.index))
	}
	keys := slices.DeleteFunc(slices.Clone(path), func(step string) bool { _, err := strconv.Atoi(step); return err == nil })
	if len(keys) == 0 {
		r.problem(path, "the file %s", must(""))
		return
	}
	key := keys[len(keys)-1]
	text := must(key)
	_, node := r.find(path)
	if _, ok := node.(*ast.StringNode); ok && key == "url" {
		return // see entry, whose message is more precise
	}
	if all := pairs(node); len(all) == 1 && strings.HasPrefix(all[0].Value.String(), "$") {
		text = "write only the variable's name, without $"
	}
	if len(path) == 2 && path[0] == "integrations" {
		text = "an entry must have keys and values, beginning with provider:"
	}
	if m.keyword == "type" && m.want == "string" && !m.isNull {
		text += "; put it in quotes to make it text"
	}
	r.problem(path, "%s: %s", key, text)
}
