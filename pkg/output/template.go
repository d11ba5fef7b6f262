package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/itchyny/gojq"
)

// layout is a compiled template: text with jq expressions in {{ }}. Package
// text/template would add 4.5 MB to the program, and a second language to --jq.
type layout struct {
	texts  []string // one more than there are values
	values []*filter
}

func compileTemplate(text string) (*layout, error) {
	l := &layout{}
	for {
		before, rest, found := strings.Cut(text, "{{")
		l.texts = append(l.texts, before)
		if !found {
			return l, nil
		}
		expression, after, closed := strings.Cut(rest, "}}")
		if !closed || strings.TrimSpace(expression) == "" {
			return nil, errors.New("invalid template: {{ must be followed by a jq expression and }}")
		}
		value, err := compileJQ(strings.TrimSpace(expression))
		if err != nil {
			return nil, fmt.Errorf("invalid template: %w", err)
		}
		l.values, text = append(l.values, value), after
	}
}

// templated prints a value with the template or, if the value is a list, each
// element on its own line. Strings are printed as they are, null as nothing, and other values
// as JSON.
func (p *Printer) templated(v any) error {
	text, err := marshal(v)
	if err != nil {
		return err
	}
	items := []json.RawMessage{text}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("[")) {
		if err := json.Unmarshal(text, &items); err != nil {
			return err
		}
	}
	var out strings.Builder
	for _, item := range items {
		if err := p.layout.write(&out, item); err != nil {
			return err
		}
		out.WriteByte('\n')
	}
	shown := out.String()
	if p.opt.Terminal {
		shown = SafeMultiline(shown)
	}
	return p.write([]byte(shown))
}

func (l *layout) write(out *strings.Builder, item []byte) error {
	for i, value := range l.values {
		out.WriteString(l.texts[i])
		err := value.run(item, func(v any) error {
			switch v := v.(type) {
			case nil:
			case string:
				out.WriteString(v)
			default:
				text, err := gojq.Marshal(v)
				out.Write(text)
				return err
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	out.WriteString(l.texts[len(l.values)])
	return nil
}

// selected returns the indexes of the columns to print.
func (p *Printer) selected(columns []Column) ([]int, error) {
	var indexes []int
	if len(p.opt.Columns) == 0 {
		for i := range columns {
			indexes = append(indexes, i)
		}
		return indexes, nil
	}
	for _, name := range p.opt.Columns {
		found := false
		for i, c := range columns {
			if strings.EqualFold(c.Name, strings.TrimSpace(name)) {
				indexes, found = append(indexes, i), true
			}
		}
		if !found {
			names := make([]string, len(columns))
			for i, c := range columns {
				names[i] = strings.ToLower(c.Name)
			}
			return nil, fmt.Errorf("unknown column %q: must be one of %s", name, strings.Join(names, ", "))
		}
	}
	return indexes, nil
}

// pick returns the elements at the indexes, with a zero value for an index out of
// range.
func pick[T any](all []T, indexes []int) []T {
	out := make([]T, len(indexes))
	for n, i := range indexes {
		if i < len(all) {
			out[n] = all[i]
		}
	}
	return out
}
