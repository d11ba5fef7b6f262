package provision

import (
	_ "embed" // for the schema
	"strconv"
	"sync"

	"github.com/mender-webhooks/mender-webhooks/pkg/yamlfile"
)

//go:embed webhooks.schema.json
var schema string

// Schema is the JSON Schema (draft 7) of a file, for editors and for Read. It
// does not cover what depends on the machine or the server, such as whether a
// variable is set.
func Schema() string { return schema }

var parsedSchema = sync.OnceValue(func() *yamlfile.Schema { return yamlfile.ParseSchema(schema) }) //nolint:gochecknoglobals // parsed once, when it is needed

// Sources resolve the references in a file.
type Sources struct {
	yamlfile.Sources
	// CheckProfile returns an error if there is no such profile; nil accepts any name.
	CheckProfile func(name string) error
}

// Read parses a file and checks all of it, including the variables and files that
// it refers to. name appears in errors, which are *yamlfile.Error. Only references
// with env: or file: are expanded.
func Read(name string, text []byte, src Sources) (*File, error) {
	r := &reader{Reader: yamlfile.NewReader(yamlfile.Kind{Schema: parsedSchema, Must: must}), src: src}
	f := &File{Name: name}
	if value, ok := r.Parse(text); ok {
		r.document(value, f)
	}
	if err := r.Err(name); err != nil {
		return nil, err
	}
	return f, nil
}

// reader collects the mistakes in a file.
type reader struct {
	*yamlfile.Reader
	src Sources
}

// document reads a file's value into f: it checks it against the schema, and resolves
// references on this machine.
func (r *reader) document(value any, f *File) {
	top, _ := value.(map[string]any)
	list, _ := top["integrations"].([]any)
	items := map[int]map[string]any{}
	for i, item := range list {
		path := []string{"integrations", strconv.Itoa(i)}
		items[i], _ = item.(map[string]any)
		if r.checkProvider(items[i], path) {
			return
		}
		if i == maxIntegrations {
			r.Problem(path, "too many integrations: a Mender organization can have %d, of any provider", maxIntegrations)
		}
		r.checkURL(items[i], path)
	}
	r.Validate(value)
	if f.Profile, _ = top["profile"].(string); f.Profile != "" && r.src.CheckProfile != nil {
		if err := r.src.CheckProfile(f.Profile); err != nil {
			r.Problem([]string{"profile"}, "profile: %v", err)
		}
	}
	for i := range list {
		f.entries = append(f.entries, r.entry(items[i], []string{"integrations", strconv.Itoa(i)}))
	}
}

// must returns the requirement for the value at a path.
func must(path []string) string {
	if len(path) == 2 && path[0] == "integrations" {
		return "an entry must have keys and values, beginning with provider:"
	}
	return map[string]string{
		"":             "must have keys and values, such as apiVersion: …",
		"apiVersion":   "must be " + yamlfile.APIVersion,
		"profile":      "must be the name of a profile in the config file",
		"integrations": "must be a list, with - before each entry; write an empty list as []",
		"provider":     "must be webhook",
		"url":          "must be where Mender POSTs the events: text, { env: VARIABLE } or { file: PATH }",
		"secret": "must be a reference, because the file never contains it: { env: VARIABLE }, { file: PATH }, { stored: true }, { generate: true }, " +
			"or { none: true } for deliveries that anyone can forge",
		"description": "must be text",
		"scopes":      "must be a list of words without duplicates, such as [deviceauth, inventory]",
	}[yamlfile.Key(path)]
}
