package provision

import (
	"fmt"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// APIVersion is what a file says of itself.
const APIVersion = "mender-webhooks/v1"

// MaxIntegrations is how many integrations an organization can have, of
// whatever provider.
const MaxIntegrations = 1

// maxDescription is Mender's limit, in bytes.
const maxDescription = 1024

// File is a file that was read and found right, with what its variables and
// files hold. However it is printed, it shows no secret.
type File struct {
	// Name is what errors call it.
	Name    string
	entries []entry
}

// URLs are those that the file gives to webhooks.
func (f *File) URLs() []string {
	var urls []string
	for _, e := range f.entries {
		urls = append(urls, e.url)
	}
	return urls
}

// Format prints the name, whatever the verb.
func (f File) Format(s fmt.State, _ rune) { fmt.Fprint(s, "file ", f.Name) }

// entry is one integration of a file.
type entry struct {
	at  position
	url string
	// description and scopes are nil where the file does not name them.
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

// reference is where a secret is and, for env and file, what it is.
type reference struct {
	at    position
	kind  source
	name  string // of the variable or file
	value webhook.Secret
}

// String says where the secret is, for a plan.
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

// position is a line and a column, both from 1; the zero position is the file
// as a whole.
type position struct{ line, column int }

// Problem is one mistake in a file. It quotes no value that may be a secret.
type Problem struct {
	// Line and Column count from 1; they are 0 where it is the file as a whole.
	Line, Column int
	Text         string
}

// FileError is a file that can't be used; nothing was sent.
type FileError struct {
	// Name is the file's.
	Name string
	// Problems has one at least, in the order of the file.
	Problems []Problem
}

// Lines has each problem with its place: webhooks.yaml:5:13: …
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

// Error has all problems on one line.
func (e *FileError) Error() string { return strings.Join(e.Lines(), "; ") }
