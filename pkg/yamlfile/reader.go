// Package yamlfile reads YAML files strictly. It finds all mistakes at once, each with its
// line and column: syntax, unknown keys, and values that do not match the file's JSON
// Schema. The package of a kind of file adds what only it can check.
package yamlfile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/yamldepth"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
)

// APIVersion is the value of apiVersion with which all files begin.
const APIVersion = "mender-webhooks/v1"

// Kind is a kind of file.
type Kind struct {
	// Schema returns the file's schema.
	Schema func() *Schema
	// Must returns the requirement for the value at a path of keys and indexes, such as
	// "must be text"; an empty path is the whole file.
	Must func(path []string) string
}

// Reader collects the mistakes in a file. It is not safe for concurrent use.
type Reader struct {
	kind     Kind
	root     ast.Node
	problems []Problem
	wrong    map[string]bool // places with a problem, by pointer
}

// NewReader returns a Reader for a file of a kind.
func NewReader(k Kind) *Reader { return &Reader{kind: k, wrong: map[string]bool{}} }

// Err returns all problems, in the order of the file, as an *Error. It returns nil if there
// are none. name is the file's name in messages.
func (r *Reader) Err(name string) error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &Error{Name: name, Problems: r.problems}
}

// Problem adds a problem with the value at a path, unless the value already has
// one.
func (r *Reader) Problem(path []string, format string, args ...any) {
	if p := pointer(path); !r.wrong[p] {
		r.wrong[p] = true
		r.problemAt(r.Position(path), format, args...)
	}
}

// Wrong reports whether the value at a path has a problem.
func (r *Reader) Wrong(path []string) bool { return r.wrong[pointer(path)] }

// Position returns where the value at a path begins.
func (r *Reader) Position(path []string) Position {
	_, node := r.find(path)
	return positionOf(node)
}

// Child returns the path of a value inside the value at a path. step is a key or an index.
func Child(path []string, step string) []string { return append(slices.Clone(path), step) }

// pointer joins a path to one string.
func pointer(path []string) string { return strings.Join(path, "/") }

// Parse returns the value of the file's only document, of maps with text as keys, lists,
// texts, numbers and bools. If the file is not YAML, it adds a problem and returns false.
func (r *Reader) Parse(text []byte) (value any, ok bool) {
	if r.root = r.parse(text); r.root == nil {
		return nil, false
	}
	if err := yaml.NodeToValue(r.root, &value); err != nil {
		r.problemAt(Position{}, "this is not YAML")
		return nil, false
	}
	return value, true
}

// parse returns the root of the only document. If there is a mistake, it adds a
// problem and returns nil.
func (r *Reader) parse(text []byte) ast.Node {
	text, err := textfile.Decode(text)
	if err != nil {
		r.problemAt(Position{}, "%v", err)
		return nil
	}
	var deep *yamldepth.Error
	if errors.As(yamldepth.Check(text), &deep) {
		r.problemAt(Position{deep.Line, deep.Column}, "%v", deep)
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
		r.problemAt(Position{}, "the file is empty: it must begin with apiVersion: %s", APIVersion)
	default:
		ast.Walk(unsupported{r}, tree.Docs[0].Body)
	}
	if len(r.problems) > 0 {
		return nil
	}
	return tree.Docs[0].Body
}

func (r *Reader) syntax(err error) {
	var located yaml.Error
	if !errors.As(err, &located) || located.GetToken() == nil {
		r.problemAt(Position{}, "this is not YAML")
		return
	}
	at := located.GetToken().Position
	r.problemAt(Position{at.Line, at.Column}, "this is not YAML: %s", located.GetMessage())
}

// unsupported refuses parts of YAML that a JSON Schema does not cover.
type unsupported struct{ r *Reader }

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
func (r *Reader) problemAt(at Position, format string, args ...any) {
	r.problems = append(r.problems, Problem{at, fmt.Sprintf(format, args...)})
}

// find returns the value at a path of keys and indexes, and its key, if it has
// one.
func (r *Reader) find(path []string) (key, value ast.Node) {
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
func positionOf(n ast.Node) Position {
	if n == nil {
		return Position{}
	}
	if all := pairs(n); len(all) > 0 {
		if m, ok := n.(*ast.MappingNode); !ok || !m.IsFlowStyle {
			return positionOf(all[0].Key)
		}
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return Position{t.Position.Line, t.Position.Column}
	}
	return Position{}
}
