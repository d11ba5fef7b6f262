package provision

import (
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
	"github.com/mender-webhooks/mender-webhooks/pkg/yamlfile"
)

// entry reads the parts of an integration that match the schema, and checks them
// for mistakes that the schema does not find.
func (r *reader) entry(m map[string]any, path []string) entry {
	e := entry{at: r.Position(path)}
	if text, ok := m["url"].(string); ok {
		e.url = text
	} else {
		_, e.url = r.reference(m, "url", checkURL, path)
	}
	var text string
	e.secret, text = r.reference(m, "secret", checkSecret, path)
	e.secret.value, _ = webhook.ParseSecret(text) // checked already
	if text, ok := m["description"].(string); ok {
		e.description = &text
		if err := CheckDescription(text); err != nil {
			r.Problem(yamlfile.Child(path, "description"), "description: %v", err)
		}
	}
	if list, ok := m["scopes"].([]any); ok {
		scopes := []string{}
		for _, item := range list {
			scope, _ := item.(string) // the schema refuses anything else
			scopes = append(scopes, scope)
		}
		e.scopes = &scopes
	}
	return e
}

// checkProvider adds a problem and returns true if an integration has a provider
// that a file cannot describe. Further errors about it would not help the user.
func (r *reader) checkProvider(m map[string]any, path []string) bool {
	p, _ := m["provider"].(string)
	if p != string(mender.ProviderIoTHub) && p != string(mender.ProviderIoTCore) {
		return false
	}
	r.Problem(yamlfile.Child(path, "provider"), "provider: a file describes webhooks only: `mender-webhooks list`, `inspect` and `delete` work with %s integrations, too", p)
	return true
}

// checkURL checks a URL in the file before the schema does, whose pattern finds only that
// something is wrong.
func (r *reader) checkURL(m map[string]any, path []string) {
	if text, ok := m["url"].(string); ok {
		if err := checkURL(text); err != nil {
			r.Problem(yamlfile.Child(path, "url"), "url: %v", err)
		}
	}
}

func checkSecret(text string) error {
	_, err := webhook.ParseSecret(text)
	return err
}

// reference reads a key's reference, and fetches the value if it is in a variable
// or a file. No message quotes the value: it may be the secret.
func (r *reader) reference(m map[string]any, key string, check func(string) error, path []string) (ref reference, text string) {
	path = yamlfile.Child(path, key)
	where, _ := m[key].(map[string]any)
	if len(where) != 1 || r.Wrong(path) {
		return ref, ""
	}
	ref.at = r.Position(path)
	var value any
	for name, v := range where {
		ref.kind, value, path = source(name), v, yamlfile.Child(path, name)
	}
	if ref.kind != fromEnv && ref.kind != fromFile {
		return ref, ""
	}
	ref.name, _ = value.(string)
	text, err := r.fetch(ref)
	if err == nil {
		err = check(text)
	}
	if err != nil {
		r.Problem(path, "%s: %s: %v", key, ref, err)
	}
	return ref, text
}

// fetch returns the value of a variable or a file, without surrounding
// whitespace.
func (r *reader) fetch(ref reference) (string, error) {
	if ref.kind == fromFile {
		return r.src.Line(ref.name)
	}
	return r.src.Env(ref.name)
}
