package provision

import (
	"fmt"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// apiVersion is the version of the file's format.
const apiVersion = "mender-webhooks/v1"

// maxIntegrations is how many integrations, of any provider, Mender allows an
// organization.
const maxIntegrations = 1

// maxDescription is Mender's limit for a description, in bytes.
const maxDescription = 1024

// File is a file that Read checked, with the values of the variables and files
// that it names. It never prints a secret.
type File struct {
	// Name is the file's name in messages.
	Name string
	// Profile is the name of the profile whose organization the file describes, or
	// empty for the current one.
	Profile string
	entries []entry
}

// URLs returns the URLs of the file's webhooks.
func (f *File) URLs() []string {
	var urls []string
	for _, e := range f.entries {
		urls = append(urls, e.url)
	}
	return urls
}

// Format prints only the name, for every verb, since the entries contain secrets.
func (f File) Format(s fmt.State, _ rune) { fmt.Fprint(s, "file ", f.Name) }

// entry is one integration of a file.
type entry struct {
	at  position
	url string
	// description and scopes are nil if the file leaves them out.
	description *string
	scopes      *[]string
	secret      reference
}

// source is the kind of place that a secret comes from.
type source string

const (
	fromEnv  source = "env"
	fromFile source = "file"
	stored   source = "stored"
	generate source = "generate"
	none     source = "none"
	given    source = "given" // on the command line; not in a file
)

// reference says where a secret comes from, and contains the secret once it is
// known.
type reference struct {
	at    position
	kind  source
	name  string // of the variable or file
	value webhook.Secret
}

// String describes where the secret comes from, for a plan.
func (r reference) String() string {
	switch r.kind {
	case fromEnv:
		return "variable " + r.name
	case fromFile:
		return "file " + r.name
	case stored:
		return "the stored one"
	case generate:
		return "a generated one"
	case given:
		return "the given one"
	}
	return "none"
}

// position is a line and a column, counted from 1; the zero value is the whole
// file.
type position struct{ line, column int }

// problem is one mistake in a file. Text quotes no value that may be a secret.
type problem struct {
	// Line and Column are counted from 1; they are 0 for the whole file.
	Line, Column int
	Text         string
}

// FileError reports the mistakes in a file; nothing was sent.
type FileError struct {
	// Name is the file's name.
	Name string
	// Problems has at least one element, and is in the order of the file.
	Problems []problem
}

// Lines returns each problem with its place, such as "webhooks.yaml:5:13: …".
func (e *FileError) Lines() []string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = e.Name + ": " + p.Text
		if p.Line > 0 {
			lines[i] = fmt.Sprintf("%s:%d:%d: %s", e.Name, p.Line, p.Column, p.Text)
		}
	}
	return lines
}

// Error returns all problems on one line.
func (e *FileError) Error() string { return strings.Join(e.Lines(), "; ") }
