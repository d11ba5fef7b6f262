package provision

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/yamldepth"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Sources are where a file's references lead to.
type Sources struct {
	// LookupEnv is os.LookupEnv, or a test's.
	LookupEnv func(string) (string, bool)
	// ReadFile is os.ReadFile, or a test's.
	ReadFile func(string) ([]byte, error)
	// Dir is where relative paths begin: the folder of the file, or "" for
	// the current one.
	Dir string
}

// Read reads a file and checks all of it, with what its variables and files
// hold. name is for errors, which are *FileError. Nothing is expanded but
// where env: or file: says so.
func Read(name string, text []byte, src Sources) (*File, error) {
	text, err := textfile.Decode(text)
	if err != nil {
		return nil, &FileError{Name: name, Problems: []Problem{{Text: err.Error()}}}
	}
	r := &reader{src: src}
	entries := r.document(text)
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b Problem) int {
			if a.Line != b.Line {
				return a.Line - b.Line
			}
			return a.Column - b.Column
		})
		return nil, &FileError{Name: name, Problems: r.problems}
	}
	return &File{Name: name, entries: entries}, nil
}

// reader goes through the syntax tree and collects what is wrong.
type reader struct {
	src      Sources
	problems []Problem
}

func (r *reader) wrong(at position, format string, args ...any) {
	r.problems = append(r.problems, Problem{Line: at.line, Column: at.column, Text: fmt.Sprintf(format, args...)})
}

// parse returns the one document's root, or nil after telling what is wrong.
func (r *reader) parse(text []byte) ast.Node {
	var deep *yamldepth.Error
	if errors.As(yamldepth.Check(text), &deep) {
		r.wrong(position{deep.Line, deep.Column}, "%v", deep)
		return nil
	}
	tree, err := parser.ParseBytes(text, 0)
	var syntax yaml.Error
	switch {
	case errors.As(err, &syntax):
		at := position{}
		if tk := syntax.GetToken(); tk != nil {
			at = position{tk.Position.Line, tk.Position.Column}
		}
		r.wrong(at, "this is not YAML: %s", syntax.GetMessage())
		return nil
	case err != nil:
		r.wrong(position{}, "this is not YAML")
		return nil
	}
	if len(tree.Docs) > 1 {
		at := position{}
		if body := tree.Docs[1].Body; body != nil {
			at = positionOf(body)
		}
		r.wrong(at, "a second document begins here: one file is one document")
		return nil
	}
	if len(tree.Docs) == 0 || tree.Docs[0].Body == nil {
		r.wrong(position{}, "the file is empty; it begins with apiVersion: %s", APIVersion)
		return nil
	}
	return tree.Docs[0].Body
}

func (r *reader) document(text []byte) []entry {
	root := r.parse(text)
	if root == nil {
		return nil
	}
	var entries []entry
	r.mapping(root, "the file", fields{
		{name: "apiVersion", required: "write apiVersion: " + APIVersion, read: r.version},
		{name: "integrations", required: "an empty list is written integrations: []", read: func(n ast.Node) {
			entries = r.integrations(n)
		}},
	})
	return entries
}

func (r *reader) version(n ast.Node) {
	if v, ok := r.text(n, "apiVersion"); ok && v != APIVersion {
		r.wrong(positionOf(n), "apiVersion: %q is not known here; this version reads %s", v, APIVersion)
	}
}

func (r *reader) integrations(n ast.Node) []entry {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		r.wrong(positionOf(n), "integrations: there has to be a list, an entry beginning with -; an empty list is written []")
		return nil
	}
	var entries []entry
	for i, item := range list.Values {
		if i == MaxIntegrations {
			r.wrong(positionOf(item), "there is one integration too many: a Mender organization takes %d, of whatever provider", MaxIntegrations)
		}
		if e, ok := r.entry(item); ok {
			entries = append(entries, e)
		}
	}
	return entries
}

// entry reads the provider first, since only webhooks are described in a file.
func (r *reader) entry(n ast.Node) (entry, bool) {
	e := entry{at: positionOf(n)}
	values, ok := pairs(n)
	if !ok {
		r.wrong(e.at, "an integration has keys and values, beginning with provider:")
		return e, false
	}
	i := slices.IndexFunc(values, func(v *ast.MappingValueNode) bool { return keyOf(v) == "provider" })
	if i < 0 {
		r.wrong(e.at, "the integration has no provider: write provider: %s", mender.ProviderWebhook)
		return e, false
	}
	name, ok := r.text(values[i].Value, "provider")
	switch at := positionOf(values[i].Value); {
	case !ok:
		return e, false
	case name == string(mender.ProviderIoTHub), name == string(mender.ProviderIoTCore):
		r.wrong(at, "provider: a file describes webhooks only: `mender-webhooks list`, `inspect` and `delete` work with %s integrations, too", name)
		return e, false
	case name != string(mender.ProviderWebhook):
		r.wrong(at, "provider: %q is not %s", name, mender.ProviderWebhook)
		return e, false
	}
	r.mapping(n, "the webhook integration", fields{
		{name: "url", required: "it says where Mender shall POST the events", read: func(n ast.Node) {
			e.url = r.textOrReference(n, "url", checkURL)
		}},
		{name: "secret", required: "say where it is, such as { env: HOOK_SECRET }; { none: true } leaves deliveries unsigned, so that anyone can forge them", read: func(n ast.Node) {
			ref, text := r.secret(n, "secret", checkWebhookSecret, fromEnv, fromFile, stored, generate, none)
			e.secret = ref
			e.secret.value, _ = webhook.ParseSecret(text) // an error is told already
		}},
		{name: "provider", read: func(ast.Node) {}},
		{name: "description", read: func(n ast.Node) { r.description(n, &e) }},
		{name: "scopes", read: func(n ast.Node) { r.scopes(n, &e) }},
	})
	return e, true
}

func checkWebhookSecret(text string) error {
	_, err := webhook.ParseSecret(text)
	return err
}

func (r *reader) description(n ast.Node, e *entry) {
	text, ok := r.text(n, "description")
	switch {
	case !ok:
	case len(text) > maxDescription:
		r.wrong(positionOf(n), "description: it has %d bytes; Mender takes %d", len(text), maxDescription)
	default:
		e.description = &text
	}
}

func (r *reader) scopes(n ast.Node, e *entry) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		r.wrong(positionOf(n), "scopes: there has to be a list, such as [deviceauth, inventory]")
		return
	}
	scopes := []string{}
	for _, item := range list.Values {
		scope, ok := r.text(item, "scopes")
		switch {
		case !ok:
		case scope == "":
			r.wrong(positionOf(item), "scopes: a scope can't be empty")
		case slices.Contains(scopes, scope):
			r.wrong(positionOf(item), "scopes: %q is there twice", scope)
		default:
			scopes = append(scopes, scope)
		}
	}
	e.scopes = &scopes
}

// path is where a reference to a file leads.
func (s Sources) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.Dir, name)
}
