package config

import (
	"fmt"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// set sets a value in the syntax tree, without checking the value.
func (d *document) set(profile, key, text string) error {
	var value any = text
	if text == "true" || text == "false" {
		value = text == "true"
	}
	setting := yaml.MapSlice{{Key: key, Value: value}}
	whole := yaml.MapSlice{{Key: topProfiles, Value: yaml.MapSlice{{Key: profile, Value: setting}}}}
	if len(d.names) == 0 && d.current == "" {
		whole = append(yaml.MapSlice{{Key: topProfile, Value: profile}}, whole...)
	}
	top, err := d.top()
	if err != nil {
		return err
	}
	profiles := find(top, topProfiles)
	if profiles == nil {
		return add(top, whole)
	}
	if len(d.names) == 0 && d.current == "" {
		if err := add(top, whole[:1]); err != nil {
			return err
		}
	}
	inner, err := grow(profiles)
	if err != nil {
		return err
	}
	item := find(inner, profile)
	if item == nil {
		return add(inner, yaml.MapSlice{{Key: profile, Value: setting}})
	}
	settings, err := grow(item)
	if err != nil {
		return err
	}
	if old := find(settings, key); old != nil {
		return replace(old, value)
	}
	return add(settings, setting)
}

func (d *document) unset(profile, key string) error {
	top, err := d.top()
	if err != nil {
		return err
	}
	item := find(top, topProfiles)
	name := profile
	if key != "" {
		profiles, err := grow(item)
		if err != nil {
			return err
		}
		item, name = find(profiles, profile), key
	}
	inner, err := grow(item)
	if err != nil {
		return err
	}
	inner.Values = slices.DeleteFunc(inner.Values, func(v *ast.MappingValueNode) bool { return nameOfItem(v) == name })
	if len(inner.Values) == 0 {
		if item.Value, err = yaml.ValueToNode(yaml.MapSlice{}); err != nil {
			return fmt.Errorf("encode empty profile: %w", err)
		}
	}
	if key == "" && d.current == profile {
		top.Values = slices.DeleteFunc(top.Values, func(v *ast.MappingValueNode) bool { return nameOfItem(v) == topProfile })
	}
	return nil
}

func (d *document) use(profile string) error {
	top, err := d.top()
	if err != nil {
		return err
	}
	if item := find(top, topProfile); item != nil {
		return replace(item, profile)
	}
	return add(top, yaml.MapSlice{{Key: topProfile, Value: profile}})
}

// rename changes the name of a profile, and of the default profile if it is the same.
func (d *document) rename(from, to string) error {
	top, err := d.top()
	if err != nil {
		return err
	}
	profiles, err := grow(find(top, topProfiles))
	if err != nil {
		return err
	}
	pair, err := mappingOf(yaml.MapSlice{{Key: to, Value: ""}})
	if err != nil {
		return err
	}
	item := find(profiles, from)
	key := pair.Values[0].Key
	// The place of the old name determines the indentation and the blank line before it.
	was, is := item.Key.GetToken(), key.GetToken()
	is.Position, is.Prev, is.Next = was.Position, was.Prev, was.Next
	if comment := item.Key.GetComment(); comment != nil {
		if err := key.SetComment(comment); err != nil {
			return fmt.Errorf("preserve comment: %w", err)
		}
	}
	item.Key = key
	if d.current == from || d.current == "" && from == defaultProfile {
		return d.use(to)
	}
	return nil
}

// render returns the text of the file.
func (d *document) render() []byte {
	text := d.tree.String()
	if text != "" && text[len(text)-1] != '\n' {
		text += "\n"
	}
	return []byte(text)
}

// top returns the top-level mapping, creating it if it does not exist.
func (d *document) top() (*ast.MappingNode, error) {
	if m, ok := d.body().(*ast.MappingNode); ok {
		return m, nil
	}
	m, err := mappingOf(yaml.MapSlice{{Key: topProfiles, Value: yaml.MapSlice{}}})
	if err != nil {
		return nil, err
	}
	m.Values = nil
	if comment, ok := d.body().(*ast.CommentGroupNode); ok {
		m.Comment = comment
	}
	d.tree = &ast.File{Docs: []*ast.DocumentNode{ast.Document(nil, m)}}
	return m, nil
}

// grow returns the mapping of an item, creating it if the item has no value.
func grow(item *ast.MappingValueNode) (*ast.MappingNode, error) {
	if m, ok := item.Value.(*ast.MappingNode); ok {
		return m, nil
	}
	m, err := mappingOf(yaml.MapSlice{{Key: "x", Value: "x"}})
	if err != nil {
		return nil, err
	}
	m.Values = nil
	m.AddColumn(item.Key.GetToken().Position.Column + 1)
	m.Start.Position.Column = item.Key.GetToken().Position.Column + 2
	item.Value = m
	return m, nil
}

// add appends pairs to a mapping, with its indentation.
func add(m *ast.MappingNode, pairs yaml.MapSlice) error {
	more, err := mappingOf(pairs)
	if err != nil {
		return err
	}
	column := m.Start.Position.Column
	if len(m.Values) > 0 {
		column = m.Values[0].Key.GetToken().Position.Column
	}
	for _, item := range more.Values {
		item.AddColumn(column - 1)
	}
	m.Values = append(m.Values, more.Values...)
	return nil
}

// replace changes the value of an item and preserves the comment after it.
func replace(item *ast.MappingValueNode, value any) error {
	node, err := yaml.ValueToNode(value)
	if err != nil {
		return fmt.Errorf("encode setting: %w", err)
	}
	if comment := item.Value.GetComment(); comment != nil {
		if err := node.SetComment(comment); err != nil {
			return fmt.Errorf("preserve comment: %w", err)
		}
	}
	item.Value = node
	return nil
}

func mappingOf(pairs yaml.MapSlice) (*ast.MappingNode, error) {
	node, err := yaml.ValueToNode(pairs)
	if err != nil {
		return nil, fmt.Errorf("encode setting: %w", err)
	}
	m, ok := node.(*ast.MappingNode)
	if !ok {
		return nil, fmt.Errorf("encode setting: got a %s node, want a mapping", node.Type())
	}
	return m, nil
}

func find(m *ast.MappingNode, name string) *ast.MappingValueNode {
	for _, item := range m.Values {
		if nameOfItem(item) == name {
			return item
		}
	}
	return nil
}

func nameOfItem(item *ast.MappingValueNode) string { return item.Key.GetToken().Value }
