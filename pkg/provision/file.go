package provision

import (
	"fmt"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// apiVersion is the version of the file's format.
const apiVersion = "mender-webhooks/v1"

// maxIntegrations is the number of integrations, of whatever provider, that
// Mender allows an organization.
const maxIntegrations = 1

// maxDescription is Mender's limit, in bytes.
const maxDescription = 1024

// File is a file that Read checked, with the values of the variables and files
// that it names. It never prints a secret.
type File struct {
	// Name is the file's name in messages.
	Name    string
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

// Format prints the name for every verb.
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

// source is where a secret is.
type source string

const (
	fromEnv  source = "env"
	fromFile source = "file"
	stored   source = "stored"
	generate source = "generate"
	none     source = "none"
	given    source = "given" // on the command line; not in a file
)

// reference is where a secret is, and the secret once it is known.
type reference struct {
	at    position
	kind  source
	name  string // of the variable or file
	value webhook.Secret
}

// String describes where the secret is, for a plan.
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
	}
	return "none"
}

// position is a line and a column, which count from 1; zero is the whole file.
type position struct{ line, column int }

// problem is one mistake in a file. Text quotes no value that may be a secret.
type problem struct {
	// Line and Column count from 1; they are 0 for the whole file.
	Line, Column int
	Text         string
}

// FileError reports the mistakes in a file; nothing was sent.
type FileError struct {
	// Name is the file's name.
	Name string
	// Problems is not empty, and in the order of the file.
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
