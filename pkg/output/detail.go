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

// renderFields returns the fields with aligned values, which are wrapped on a
// terminal.
func (p *Printer) renderFields(fields []Field) ([]byte, error) {
	var rows [][]string
	room := 0
	if p.fits() {
		longest := 0
		for _, f := range fields {
			longest = max(longest, width(Safe(f.Name)+":"))
		}
		room = max(p.opt.Width-longest-gap, 1)
	}
	for _, f := range fields {
		lines, err := p.fieldLines(f, room)
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

// fieldLines returns the value of a field as lines of at most room cells, or of any
// length if room is 0. It does not break lines of JSON.
func (p *Printer) fieldLines(f Field, room int) ([]string, error) {
	if f.JSON != nil {
		text, err := marshal(f.JSON)
		if err != nil {
			return nil, err
		}
		return strings.Split(string(p.style.colored(pretty(text, ""))), "\n"), nil
	}
	var lines []string
	for line := range strings.SplitSeq(SafeMultiline(strings.TrimRight(f.Value, "\n")), "\n") {
		for _, part := range Wrap(strings.ReplaceAll(line, "\t", "    "), room) {
			lines = append(lines, p.style.paint(f.Color, part))
		}
	}
	return lines, nil
}
