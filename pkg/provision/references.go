package provision

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
)

// textOrReference is text, or a variable or file that holds it.
func (r *reader) textOrReference(n ast.Node, key string, check func(string) error) string {
	if _, ok := pairs(n); ok {
		_, text := r.secret(n, key, check, fromEnv, fromFile)
		return text
	}
	text, ok := r.text(n, key)
	if !ok {
		return ""
	}
	if err := check(text); err != nil {
		r.wrong(positionOf(n), "%s: %v", key, err)
	}
	return text
}

// secret reads where a secret is, and fetches what can be fetched without the
// server. No message quotes anything that was written: it may be the secret.
func (r *reader) secret(n ast.Node, key string, check func(string) error, allowed ...kind) (ref reference, text string) {
	ref.at = positionOf(n)
	values, ok := pairs(n)
	switch {
	case !ok:
		r.wrong(ref.at, "%s: a secret does not stand in the file itself; say where it is: %s", key, choices(allowed))
		return ref, ""
	case len(values) != 1:
		r.wrong(ref.at, "%s: it takes exactly one of %s", key, choices(allowed))
		return ref, ""
	}
	ref.kind = kind(keyOf(values[0]))
	if !slices.Contains(allowed, ref.kind) {
		r.wrong(positionOf(values[0].Key), "%s: it takes one of %s", key, choices(allowed))
		return reference{at: ref.at}, ""
	}
	value := values[0].Value
	if ref.kind != fromEnv && ref.kind != fromFile {
		if b, ok := value.(*ast.BoolNode); !ok || !b.Value {
			r.wrong(positionOf(value), "%s: %s takes true alone", key, ref.kind)
		}
		return ref, ""
	}
	if ref.name, ok = r.text(value, key+": "+string(ref.kind)); !ok {
		return ref, ""
	}
	text, err := r.fetch(ref)
	if err == nil {
		err = check(text)
	}
	if err != nil {
		r.wrong(positionOf(value), "%s: %s: %v", key, ref, err)
	}
	return ref, text
}

func choices(kinds []kind) string {
	texts := make([]string, len(kinds))
	for i, k := range kinds {
		switch k {
		case fromEnv:
			texts[i] = "{ env: VARIABLE }"
		case fromFile:
			texts[i] = "{ file: PATH }"
		default:
			texts[i] = "{ " + string(k) + ": true }"
		}
	}
	return strings.Join(texts, ", ")
}

// fetch reads a variable or a file; blanks around the value don't count.
func (r *reader) fetch(ref reference) (string, error) {
	switch {
	case ref.name == "":
		return "", errors.New("it has no name")
	case ref.kind == fromEnv && strings.HasPrefix(ref.name, "$"):
		return "", errors.New("write the variable's name alone, without $")
	}
	if ref.kind == fromEnv {
		text, ok := r.src.LookupEnv(ref.name)
		switch {
		case !ok:
			return "", errors.New("it is not set")
		case strings.TrimSpace(text) == "":
			return "", errors.New("it is empty, which is what a missing CI secret looks like")
		}
		return strings.TrimSpace(text), nil
	}
	data, err := r.src.ReadFile(r.src.path(ref.name))
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err // it would repeat the name
		}
		return "", err
	}
	if data, err = textfile.Decode(data); err != nil {
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
	return "", errors.New("it has several lines, and one is needed: leave the newest secret in it")
}
