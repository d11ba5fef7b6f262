package output

import "strings"

// Field is a name and a value, one line in the layout of a single object.
type Field struct {
	Name  string
	Value string
	Color Color
	// JSON is shown indented instead of Value, unless it is nil.
	JSON any
}

// renderFields returns one line for each field, with aligned values.
func (p *Printer) renderFields(fields []Field) ([]byte, error) {
	var rows [][]string
	for _, f := range fields {
		lines, err := p.fieldLines(f)
		if err != nil {
			return nil, err
		}
		name := p.style.Bold(Safe(f.Name) + ":")
		for _, line := range lines {
			rows = append(rows, []string{name, line})
			name = ""
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return p.align(nil, rows)
}

func (p *Printer) fieldLines(f Field) ([]string, error) {
	if f.JSON != nil {
		text, err := marshal(f.JSON)
		if err != nil {
			return nil, err
		}
		return strings.Split(string(p.style.colored(pretty(text, ""))), "\n"), nil
	}
	lines := strings.Split(SafeMultiline(strings.TrimRight(f.Value, "\n")), "\n")
	for i := range lines {
		lines[i] = p.style.paint(f.Color, strings.ReplaceAll(lines[i], "\t", "    "))
	}
	return lines, nil
}
