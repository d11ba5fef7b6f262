package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/yamldepth"
)

// maxFile is the maximum size of a settings or token file in bytes.
const maxFile = 1 << 20

// The keys at the top of a config file.
const (
	topProfile  = "profile"
	topProfiles = "profiles"
)

// document is a parsed and valid config file.
type document struct {
	path    string
	tree    *ast.File
	current string // value of "profile"
	names   []string
	entries map[string][]entry // by profile, in the order of the file
}

// entry is one setting of a profile.
type entry struct {
	key  string
	text string // normalized
	line int
}

// readDocument reads and checks a config file. A missing file is an empty document.
func readDocument(path string) (*document, error) {
	d := &document{path: path, entries: map[string][]entry{}}
	if path == "" {
		return d, nil
	}
	text, err := readText(path, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	var info fs.FileInfo
	if err == nil {
		info, err = os.Stat(path)
	}
	if err != nil {
		return nil, unusable("cannot read the config file", err)
	}
	if err := d.parse([]byte(text)); err != nil {
		return nil, err
	}
	return d, d.checkMode(info.Mode())
}

func (d *document) parse(text []byte) error {
	var deep *yamldepth.Error
	if errors.As(yamldepth.Check(text), &deep) {
		return usagef("", "%s:%d:%d: %v", d.path, deep.Line, deep.Column, deep)
	}
	tree, err := parser.ParseBytes(text, parser.ParseComments)
	if err != nil {
		return d.yamlError(err)
	}
	d.tree = tree
	if len(tree.Docs) > 1 {
		return usagef("", "%s has more than one YAML document", d.path)
	}
	top, err := d.mapping(d.body(), "the file")
	if err != nil {
		return err
	}
	for _, item := range top {
		switch name := item.Key.GetToken().Value; name {
		case topProfile:
			d.current, err = d.scalar(item.Value, topProfile)
		case topProfiles:
			err = d.parseProfiles(item.Value)
		default:
			err = d.unknown(item.Key, name, []string{topProfile, topProfiles})
			if _, ok := profileKey(name); ok {
				err = d.at(item.Key, "the setting %q must be in a profile: move it to %s.NAME", name, topProfiles)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// body returns the document's node, or nil if the file is empty.
func (d *document) body() ast.Node {
	if d.tree == nil || len(d.tree.Docs) == 0 {
		return nil
	}
	return d.tree.Docs[0].Body
}

func (d *document) parseProfiles(node ast.Node) error {
	profiles, err := d.mapping(node, topProfiles)
	if err != nil {
		return err
	}
	for _, item := range profiles {
		name := item.Key.GetToken().Value
		if name == "" {
			return d.at(item.Key, "a profile must have a name")
		}
		settings, err := d.mapping(item.Value, "profile "+name)
		if err != nil {
			return err
		}
		entries := make([]entry, 0, len(settings))
		for _, s := range settings {
			e, err := d.parseEntry(s)
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
		d.names = append(d.names, name)
		d.entries[name] = entries
	}
	return nil
}

func (d *document) parseEntry(item *ast.MappingValueNode) (entry, error) {
	name := item.Key.GetToken().Value
	key, ok := profileKey(name)
	if !ok {
		return entry{}, d.unknown(item.Key, name, ProfileKeys())
	}
	text, err := d.scalar(item.Value, name)
	if err != nil {
		return entry{}, err
	}
	if text, err = key.check(text); err != nil {
		return entry{}, d.at(item.Value, "invalid %s: %w", name, err)
	}
	return entry{key: name, text: text, line: item.Key.GetToken().Position.Line}, nil
}

// mapping returns the pairs of a mapping; null counts as an empty mapping.
func (d *document) mapping(node ast.Node, what string) ([]*ast.MappingValueNode, error) {
	switch n := node.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
		return nil, nil
	case *ast.MappingNode:
		return n.Values, nil
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, nil
	}
	return nil, d.at(node, "%s must be a mapping, such as name: value", what)
}

func (d *document) scalar(node ast.Node, what string) (string, error) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, nil
	case *ast.NullNode:
		return "", d.at(node, "%s has no value", what)
	}
	return "", d.at(node, "%s must be a single value", what)
}

// at returns an error with its position in the file.
func (d *document) at(node ast.Node, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return unusable(d.place(node.GetToken()), err)
}

func (d *document) unknown(node ast.Node, name string, known []string) error {
	return d.at(node, "unknown setting %q%s", name, didYouMean(name, known))
}

func (d *document) place(t *token.Token) string {
	return fmt.Sprintf("%s:%d:%d", d.path, t.Position.Line, t.Position.Column)
}

// yamlError omits the excerpt of the file that the YAML library adds, because it may
// contain a token.
func (d *document) yamlError(err error) error {
	var located yaml.Error
	if errors.As(err, &located) && located.GetToken() != nil {
		return usagef("", "%s: %s", d.place(located.GetToken()), located.GetMessage())
	}
	return usagef("", "%s is not valid YAML", d.path)
}

// checkMode refuses a file with a token if other users can read it.
func (d *document) checkMode(mode fs.FileMode) error {
	if runtime.GOOS == "windows" || mode.Perm()&0o077 == 0 {
		return nil
	}
	for _, name := range d.names {
		if e, ok := d.entry(name, keyToken); ok {
			return usagef("run `chmod 600 "+d.path+"`", "%s:%d has a token, but other users can read the file",
				d.path, e.line)
		}
	}
	return nil
}

func (d *document) entry(profile, key string) (entry, bool) {
	entries := d.entries[profile]
	i := slices.IndexFunc(entries, func(e entry) bool { return e.key == key })
	if i < 0 {
		return entry{}, false
	}
	return entries[i], true
}

func (d *document) has(profile string) bool { return slices.Contains(d.names, profile) }

// known returns a usage error if the file does not have a profile.
func (d *document) known(profile string) error {
	if d.has(profile) {
		return nil
	}
	return usagef("", "unknown profile %q in %s%s", profile, d.path, didYouMean(profile, d.names))
}
