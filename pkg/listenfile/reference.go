package listenfile

import "github.com/mender-webhooks/mender-webhooks/pkg/yamlfile"

// source is the kind of place that a value comes from.
type source string

const (
	fromEnv  source = "env"
	fromFile source = "file"
)

// reference says where a value comes from.
type reference struct {
	path []string
	key  string
	kind source
	name string // of the variable or file
}

// reference reads a key's reference, if it matches the schema.
func (r *reader) reference(m map[string]any, path []string, key string) (ref reference, ok bool) {
	path = yamlfile.Child(path, key)
	where, _ := m[key].(map[string]any)
	if len(where) != 1 || r.Wrong(path) {
		return ref, false
	}
	for _, kind := range []source{fromEnv, fromFile} {
		if name, is := where[string(kind)].(string); is {
			return reference{yamlfile.Child(path, string(kind)), key, kind, name}, true
		}
	}
	return ref, false
}

// fetch returns the value of a variable, or the only line of a file.
func (r *reader) fetch(ref reference) (string, error) {
	if ref.kind == fromFile {
		return r.Line(ref.name)
	}
	return r.Env(ref.name)
}

// refuse adds a problem for a reference, if err is not nil. No message quotes the value:
// it may be the secret.
func (r *reader) refuse(ref reference, err error) {
	if err != nil {
		r.Problem(ref.path, "%s: %s %s: %v", ref.key, map[source]string{fromEnv: "variable", fromFile: "file"}[ref.kind], ref.name, err)
	}
}
