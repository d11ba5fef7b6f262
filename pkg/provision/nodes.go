package provision

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// field is one key that a mapping may have.
type field struct {
	name string
	// required is said where the key is missing; "" is for one that may be.
	required string
	read     func(ast.Node)
}

type fields []field

func (f fields) names() []string {
	names := make([]string, len(f))
	for i := range f {
		names[i] = f[i].name
	}
	slices.Sort(names)
	return names
}

// mapping gives each key's value to the field of that name, and tells of keys
// that are unknown or missing. what names the mapping, in messages.
func (r *reader) mapping(n ast.Node, what string, known fields) {
	values, ok := pairs(n)
	if !ok {
		r.wrong(positionOf(n), "%s has to be keys and values, such as %s: …", what, known[0].name)
		return
	}
	var seen []string
	for _, v := range values {
		name := keyOf(v)
		i := slices.IndexFunc(known, func(f field) bool { return f.name == name })
		if i < 0 {
			hint, meant := instead(name, known.names())
			r.wrong(positionOf(v.Key), "unknown key %q; %s", name, hint)
			seen = append(seen, meant) // one mistake is told once
			continue
		}
		seen = append(seen, name)
		known[i].read(v.Value)
	}
	for _, f := range known {
		if f.required != "" && !slices.Contains(seen, f.name) {
			r.wrong(positionOf(n), "%s has no %s: %s", what, f.name, f.required)
		}
	}
}

// instead says what an unknown key was probably meant to be, if anything.
func instead(name string, known []string) (hint, meant string) {
	plain := func(s string) string {
		return strings.Map(func(c rune) rune {
			if c == '_' || c == '-' || c == ' ' {
				return -1
			}
			return c
		}, strings.ToLower(s))
	}
	for _, k := range known {
		if near(plain(name), plain(k)) {
			return "did you mean " + k + "?", k
		}
	}
	return "known here: " + strings.Join(known, ", "), ""
}

// near reports whether two words are two typing mistakes apart at most.
func near(a, b string) bool {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := diagonal
			if a[i-1] != b[j-1] {
				change++
			}
			diagonal = row[j]
			row[j] = min(change, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)] <= 2 && row[len(b)] < len(b)
}

// pairs are the keys and values of a mapping.
func pairs(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch v := n.(type) {
	case *ast.MappingNode:
		return v.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{v}, true
	}
	return nil, false
}

func keyOf(v *ast.MappingValueNode) string {
	if s, ok := v.Key.(*ast.StringNode); ok {
		return s.Value
	}
	return v.Key.GetToken().Value
}

// positionOf is where a node begins; a mapping begins with its first key.
func positionOf(n ast.Node) position {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return positionOf(m.Values[0].Key)
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		return positionOf(m.Key)
	}
	tk := n.GetToken()
	if tk == nil || tk.Position == nil {
		return position{}
	}
	return position{tk.Position.Line, tk.Position.Column}
}

// text reads a scalar that is text in YAML.
func (r *reader) text(n ast.Node, key string) (string, bool) {
	at := positionOf(n)
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return v.Value.Value, true
	case *ast.NullNode:
		r.wrong(at, "%s: there is no value", key)
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		r.wrong(at, "%s: this is a number in YAML; put it in quotes to make it text", key)
	case *ast.BoolNode:
		r.wrong(at, "%s: this is a truth value in YAML; put it in quotes to make it text", key)
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		r.wrong(at, "%s: anchors, aliases and tags are not taken here; write the value itself", key)
	default:
		r.wrong(at, "%s: this has to be text", key)
	}
	return "", false
}

// plain is text that can't be empty.
func (r *reader) plain(n ast.Node, key string) string {
	text, ok := r.text(n, key)
	if ok && text == "" {
		r.wrong(positionOf(n), "%s: it is empty", key)
	}
	return text
}
