package provision

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
	"github.com/mender-webhooks/mender-webhooks/pkg/yamlfile"
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
	Profile      string     `json:"profile,omitempty"`
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

// ExportOptions adapt a Document to its place. The zero value is for the only file.
type ExportOptions struct {
	// Profile is the profile that the file names, or empty.
	Profile string
	// Suffix ends the names of the variables that the file refers to.
	Suffix string
	// IsStored reports whether a webhook's secret is stored on this machine.
	IsStored func(id string) bool
}

// Export returns integrations as a file. notes list the variables to set, and the
// integrations that were left out.
func Export(integrations []mender.Integration, o ExportOptions) (d Document, notes []string) {
	d = Document{APIVersion: yamlfile.APIVersion, Profile: o.Profile, Integrations: []exported{}}
	for _, i := range integrations {
		if !isWebhook(&i) {
			notes = append(notes, fmt.Sprintf("%s %s is left out: a file describes webhooks only", i.Provider, i.ID))
			continue
		}
		c := i.Credentials
		e := exported{Provider: i.Provider, URL: c.HTTP.URL, Description: i.Description, Scopes: i.Scopes}
		fill := func(name, what string) envReference {
			name += o.Suffix
			notes = append(notes, fmt.Sprintf("set the variable %s to %s", name, what))
			return envReference{name}
		}
		if u, err := url.Parse(c.HTTP.URL); err != nil || u.User != nil {
			e.URL = fill("MENDER_WEBHOOK_URL", "the webhook's URL, which contains a password")
		}
		switch {
		case !c.HasSecret():
			e.Secret = map[string]bool{string(none): true}
		case o.IsStored(i.ID):
			e.Secret = map[string]bool{string(stored): true}
		default:
			e.Secret = fill("HOOK_SECRET", "the webhook's secret, or use { generate: true } for a new one")
		}
		d.Integrations = append(d.Integrations, e)
	}
	return d, notes
}

// WriteFile writes the document as YAML or JSON to a folder, which is created if it does not
// exist. name has no extension. An existing file is replaced as a whole, and only its owner
// can read a new one.
func (d Document) WriteFile(dir, name string, format output.Format) error {
	var text bytes.Buffer
	if format == output.YAML {
		fmt.Fprintln(&text, SchemaComment)
	}
	p, err := output.New(&text, output.Options{Format: format})
	if err != nil {
		return err
	}
	if err := p.Print(output.View{Value: d}); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create the folder: %w", err)
	}
	return textfile.Replace(filepath.Join(dir, name+"."+string(format)), text.Bytes())
}

// ForProfiles returns the options for the files of several profiles, and names for these
// files, without an extension. A profile's name can be any text; the name of its file is
// safe on every system, and unique even if case makes no difference.
func ForProfiles(profiles []string) (options []ExportOptions, names []string) {
	names = unique(profiles, fileName)
	suffixes := unique(profiles, variableName)
	for i, profile := range profiles {
		options = append(options, ExportOptions{Profile: profile, Suffix: suffixes[i]})
	}
	return options, names
}

// unique returns a different simple name for each name. A name that is simple already stays
// as it is.
func unique(names []string, simple func(string) string) []string {
	out, used := make([]string, len(names)), map[string]bool{}
	for _, unchanged := range []bool{true, false} {
		for i, name := range names {
			base := simple(name)
			if (base == name) != unchanged {
				continue
			}
			out[i] = base
			for n := 2; used[strings.ToLower(out[i])]; n++ {
				out[i] = fmt.Sprintf("%s_%d", base, n)
			}
			used[strings.ToLower(out[i])] = true
		}
	}
	return out
}

// maxFileName leaves room for a number and an extension, in bytes.
const maxFileName = 200

func fileName(profile string) string {
	forbidden := regexp.MustCompile(`^[^A-Za-z0-9_]+|[^A-Za-z0-9._-]+`)
	device := regexp.MustCompile(`(?i)^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$`) // in Windows
	name := forbidden.ReplaceAllString(profile, "_")
	if device.MatchString(name) {
		name = "_" + name
	}
	return name[:min(len(name), maxFileName)]
}

func variableName(profile string) string {
	forbidden := regexp.MustCompile(`[^A-Z0-9]+`)
	return "_" + strings.Trim(forbidden.ReplaceAllString(strings.ToUpper(profile), "_"), "_")
}
