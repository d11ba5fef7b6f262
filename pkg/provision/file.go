package provision

import (
	"fmt"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
	"github.com/mender-webhooks/mender-webhooks/pkg/yamlfile"
)

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
	at  yamlfile.Position
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
	at    yamlfile.Position
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
