package provision

import (
	"fmt"
	"net/url"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// schemaURL is where the file's JSON Schema is published.
const schemaURL = "https://raw.githubusercontent.com/mender-webhooks/mender-webhooks/main/docs/webhooks.schema.json"

// SchemaComment is the first line of a file. It names the schema, so that editors
// can complete the file.
const SchemaComment = "# yaml-language-server: $schema=" + schemaURL

// Document is a file to be written. Encoded as JSON or YAML, it is valid input
// for Read.
type Document struct {
	APIVersion   string     `json:"apiVersion"`
	Integrations []exported `json:"integrations"`
}

// exported is an integration of a Document. Its secret is a reference, and so is
// a URL that contains a password.
type exported struct {
	Provider    mender.Provider `json:"provider"`
	URL         any             `json:"url"`
	Description string          `json:"description,omitempty"`
	Scopes      []string        `json:"scopes,omitempty"`
	Secret      any             `json:"secret"`
}

type envReference struct {
	Env string `json:"env"`
}

// Export returns integrations as a file. isStored reports whether a webhook's
// secret is stored on this machine. notes list the variables to set, and the
// integrations that were left out.
func Export(integrations []mender.Integration, isStored func(id string) bool) (d Document, notes []string) {
	d = Document{APIVersion: apiVersion, Integrations: []exported{}}
	for _, i := range integrations {
		if !isWebhook(&i) {
			notes = append(notes, fmt.Sprintf("%s %s is left out: a file describes webhooks only", i.Provider, i.ID))
			continue
		}
		c := i.Credentials
		e := exported{Provider: i.Provider, URL: c.HTTP.URL, Description: i.Description, Scopes: i.Scopes}
		fill := func(name, what string) envReference {
			notes = append(notes, fmt.Sprintf("set the variable %s to %s", name, what))
			return envReference{name}
		}
		if u, err := url.Parse(c.HTTP.URL); err != nil || u.User != nil {
			e.URL = fill("MENDER_WEBHOOK_URL", "the webhook's URL, which contains a password")
		}
		switch {
		case !c.HasSecret():
			e.Secret = map[string]bool{string(none): true}
		case isStored(i.ID):
			e.Secret = map[string]bool{string(stored): true}
		default:
			e.Secret = fill("HOOK_SECRET", "the webhook's secret, or use { generate: true } for a new one")
		}
		d.Integrations = append(d.Integrations, e)
	}
	return d, notes
}
