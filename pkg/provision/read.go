package provision

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/yamldepth"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
)

// Sources resolve the references in a file.
type Sources struct {
	// LookupEnv is os.LookupEnv, or a replacement in tests.
	LookupEnv func(string) (string, bool)
	// ReadFile is os.ReadFile, or a replacement in tests.
	ReadFile func(string) ([]byte, error)
	// Dir is the folder that relative paths start from: the file's folder, or ""
	// for the current one.
	Dir string
	// CheckProfile returns an error if there is no such profile; nil accepts any name.
	CheckProfile func(name string) error
}

// path resolves a name relative to Dir.
func (s Sources) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.Dir, name)
}

// Read parses a file and checks all of it, including the variables and files that
// it refers to. name appears in errors, which are *FileError. Only references
// with env: or file: are expanded.
func Read(name string, text []byte, src Sources) (*File, error) {
	r := &reader{src: src, wrong: map[string]bool{}}
	f := &File{Name: name}
	r.document(text, f)
	if len(r.problems) == 0 {
		return f, nil
	}
	slices.SortStableFunc(r.problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return nil, &FileError{Name: name, Problems: r.problems}
}

// reader collects the mistakes in a file.
type reader struct {
	src      Sources
	root     ast.Node
	problems []problem
	wrong    map[string]bool // places with a problem, by pointer
}

// document reads a file into f in three steps: it parses the YAML, checks it against the
// schema, and resolves references on this machine.
func (r *reader) document(text []byte, f *File) {
	if r.root = r.parse(text); r.root == nil {
		return
	}
	var value any
	if err := yaml.NodeToValue(r.root, &value); err != nil {
		r.problemAt(position{}, "this is not YAML")
		return
	}
	top, _ := value.(map[string]any)
	list, _ := top["integrations"].([]any)
	items := map[int]map[string]any{}
	for i, item := range list {
		items[i], _ = item.(map[string]any)
		if r.checkProvider(items[i], "integrations", strconv.Itoa(i)) {
			return
		}
	}
	r.validate(value)
	if f.Profile, _ = top["profile"].(string); f.Profile != "" && r.src.CheckProfile != nil {
		if err := r.src.CheckProfile(f.Profile); err != nil {
			r.problem([]string{"profile"}, "profile: %v", err)
		}
	}
	for i := range list {
		f.entries = append(f.entries, r.entry(items[i], "integrations", strconv.Itoa(i)))
	}
}

// pointer joins a path to one string.
func pointer(path []string) string { return strings.Join(path, "/") }

func child(path []string, step string) []string { return append(slices.Clone(path), step) }

// problem adds a problem with the value at a path, unless the value already has
// one.
func (r *reader) problem(path []string, format string, args ...any) {
	if p := pointer(path); !r.wrong[p] {
		r.wrong[p] = true
		r.problemAt(r.positionOf(path), format, args...)
	}
}

func (r *reader) positionOf(path []string) position {
	_, node := r.find(path)
	return positionOf(node)
}

// parse returns the root of the only document. If there is a mistake, it adds a
// problem and returns nil.
func (r *reader) parse(text []byte) ast.Node {
	text, err := textfile.Decode(text)
	if err != nil {
		r.problemAt(position{}, "%v", err)
		return nil
	}
	var deep *yamldepth.Error
	if errors.As(yamldepth.Check(text), &deep) {
		r.problemAt(position{deep.Line, deep.Column}, "%v", deep)
		return nil
	}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		r.syntax(err)
		return nil
	}
	switch {
	case len(tree.Docs) > 1:
		r.problemAt(positionOf(tree.Docs[1].Body), "a second document begins here: the file must have only one")
	case len(tree.Docs) == 0 || tree.Docs[0].Body == nil:
		r.problemAt(position{}, "the file is empty: it must begin with apiVersion: %s", apiVersion)
	default:
		ast.Walk(unsupported{r}, tree.Docs[0].Body)
	}
	if len(r.problems) > 0 {
		return nil
	}
	return tree.Docs[0].Body
}

func (r *reader) syntax(err error) {
	var located yaml.Error
	if !errors.As(err, &located) || located.GetToken() == nil {
		r.problemAt(position{}, "this is not YAML")
		return
	}
	at := located.GetToken().Position
	r.problemAt(position{at.Line, at.Column}, "this is not YAML: %s", located.GetMessage())
}

// unsupported refuses parts of YAML that a JSON Schema does not cover.
type unsupported struct{ r *reader }

// Visit implements ast.Visitor.
func (u unsupported) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode, *ast.MappingKeyNode:
		u.r.problemAt(positionOf(n), "anchors, aliases, tags and complex keys are not supported; write the value itself")
		return nil
	case *ast.InfinityNode, *ast.NanNode:
		u.r.problemAt(positionOf(n), "this is a number in YAML; put it in quotes to make it text")
	}
	return u
}

// problemAt adds a problem at a position.
func (r *reader) problemAt(at position, format string, args ...any) {
	r.problems = append(r.problems, problem{Line: at.line, Column: at.column, Text: fmt.Sprintf(format, args...)})
}

// find returns the value at a path of keys and indexes, and its key, if it has
// one.
func (r *reader) find(path []string) (key, value ast.Node) {
	value = r.root
	for _, step := range path {
		key = nil
		switch n := value.(type) {
		case *ast.SequenceNode:
			for i, item := range n.Values {
				if strconv.Itoa(i) == step {
					value = item
				}
			}
		default:
			for _, pair := range pairs(value) {
				if keyOf(pair) == step {
					key, value = pair.Key, pair.Value
				}
			}
		}
	}
	return key, value
}

// pairs returns the keys and values of a mapping.
func pairs(n ast.Node) []*ast.MappingValueNode {
	switch v := n.(type) {
	case *ast.MappingNode:
		return v.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{v}
	}
	return nil
}

func keyOf(v *ast.MappingValueNode) string {
	if s, ok := v.Key.(*ast.StringNode); ok {
		return s.Value
	}
	return v.Key.GetToken().Value
}

// positionOf returns where a node begins; a mapping begins with its first key.
func positionOf(n ast.Node) position {
	if n == nil {
		return position{}
	}
	if all := pairs(n); len(all) > 0 {
		if m, ok := n.(*ast.MappingNode); !ok || !m.IsFlowStyle {
			return positionOf(all[0].Key)
		}
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return position{t.Position.Line, t.Position.Column}
	}
	return position{}
}
