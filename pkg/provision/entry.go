package provision

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// entry reads the parts of an integration that match the schema, and checks them
// for mistakes that the schema does not find.
func (r *reader) entry(m map[string]any, path ...string) entry {
	e := entry{at: r.positionOf(path)}
	if text, ok := m["url"].(string); ok {
		e.url = text
		if err := checkURL(e.url); err != nil {
			r.problem(child(path, "url"), "url: %v", err)
		}
	} else {
		_, e.url = r.reference(m, "url", checkURL, path)
	}
	var text string
	e.secret, text = r.reference(m, "secret", checkSecret, path)
	e.secret.value, _ = webhook.ParseSecret(text) // checked already
	if text, ok := m["description"].(string); ok {
		e.description = &text
		if len(text) > maxDescription {
			r.problem(child(path, "description"), "description: must be at most %d bytes, not %d", maxDescription, len(text))
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
func (r *reader) checkProvider(m map[string]any, path ...string) bool {
	p, _ := m["provider"].(string)
	if p != string(mender.ProviderIoTHub) && p != string(mender.ProviderIoTCore) {
		return false
	}
	r.problem(child(path, "provider"), "provider: a file describes webhooks only: `mender-webhooks list`, `inspect` and `delete` work with %s integrations, too", p)
	return true
}

func checkSecret(text string) error {
	_, err := webhook.ParseSecret(text)
	return err
}

// reference reads a key's reference, and fetches the value if it is in a variable
// or a file. No message quotes the value: it may be the secret.
func (r *reader) reference(m map[string]any, key string, check func(string) error, path []string) (ref reference, text string) {
	path = child(path, key)
	where, _ := m[key].(map[string]any)
	if len(where) != 1 || r.wrong[pointer(path)] {
		return ref, ""
	}
	ref.at = r.positionOf(path)
	var value any
	for name, v := range where {
		ref.kind, value, path = source(name), v, child(path, name)
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
		r.problem(path, "%s: %s: %v", key, ref, err)
	}
	return ref, text
}

// fetch returns the value of a variable or a file, without surrounding
// whitespace.
func (r *reader) fetch(ref reference) (string, error) {
	if ref.kind == fromFile {
		return r.fetchFile(ref.name)
	}
	text, ok := r.src.LookupEnv(ref.name)
	switch text = strings.TrimSpace(text); {
	case !ok:
		return "", errors.New("it is not set")
	case text == "":
		return "", errors.New("it is empty, which is what a missing CI secret looks like")
	}
	return text, nil
}

// fetchFile returns the only line of a file, ignoring blank lines and comments.
func (r *reader) fetchFile(name string) (string, error) {
	data, err := r.src.ReadFile(r.src.path(name))
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err // the message names the file already
		}
		return "", err
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	switch len(lines) {
	case 0:
		return "", errors.New("it is empty")
	case 1:
		return lines[0], nil
	}
	return "", fmt.Errorf("it has %d lines: must have one, so leave only the newest secret in it", len(lines))
}
