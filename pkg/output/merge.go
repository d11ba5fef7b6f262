package output

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// MergeRows joins views to one whose table has the rows of all, in a table with a column
// for the views' titles in front. In JSON and YAML, key has the title.
func MergeRows(key string, views []View) (View, error) {
	merged, err := mergeValues(key, views)
	merged.Table.Columns = []Column{{Name: strings.ToUpper(key)}}
	index := func(name string) int {
		return slices.IndexFunc(merged.Table.Columns, func(c Column) bool { return c.Name == name })
	}
	for _, v := range views {
		for _, c := range v.Table.Columns {
			if len(v.Table.Rows) > 0 && index(c.Name) < 0 {
				merged.Table.Columns = append(merged.Table.Columns, c)
			}
		}
	}
	for _, v := range views {
		for _, cells := range v.Table.Rows {
			row := make([]string, len(merged.Table.Columns))
			row[0] = v.Title
			for i, cell := range cells {
				row[index(v.Table.Columns[i].Name)] = cell
			}
			merged.Table.Rows = append(merged.Table.Rows, row)
		}
	}
	return merged, err
}

// MergeSections joins views to one that prints each below its title. In JSON and YAML, key
// has the title.
func MergeSections(key string, views []View) (View, error) {
	merged, err := mergeValues(key, views)
	for _, v := range views {
		v.Title = key + " " + v.Title
		merged.Sections = append(merged.Sections, v)
	}
	return merged, err
}

// mergeValues joins values to a list of objects that have their view's title.
func mergeValues(key string, views []View) (View, error) {
	objects := []json.RawMessage{}
	merged := View{}
	for _, v := range views {
		text, err := marshal(v.Value)
		if err != nil {
			return View{}, err
		}
		elements, err := split(text)
		if err != nil {
			return View{}, err
		}
		for _, element := range elements {
			object, err := withKey(element, key, v.Title)
			if err != nil {
				return View{}, err
			}
			objects = append(objects, object)
		}
		merged.Names = append(merged.Names, v.Names...)
	}
	merged.Value = objects
	return merged, nil
}

// withKey adds a key to a JSON object, in front of the others, unless it has the key.
func withKey(object json.RawMessage, key, value string) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(object, &fields); err != nil {
		return nil, fmt.Errorf("add %s to the output: %w", key, err)
	}
	if _, has := fields[key]; has {
		return object, nil
	}
	name, err := json.Marshal(map[string]string{key: value})
	if err != nil {
		return nil, fmt.Errorf("add %s to the output: %w", key, err)
	}
	if len(fields) == 0 {
		return name, nil
	}
	return slices.Concat(name[:len(name)-1], []byte(","), object[1:]), nil
}
