package output

import "strings"

// PlainText formats a page of docs for a terminal: headings in capitals, tables as
// lists, links as their text. It supports only the Markdown that these pages use. If the
// terminal is narrower than the page, it wraps the text again.
func PlainText(page string, terminal int) string {
	width := topicWidth
	if terminal > 0 {
		width = min(width, terminal)
	}
	var out []string
	inTable := false
	for line := range strings.Lines(page) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "|") {
			cells := strings.Split(strings.Trim(line, "| "), " | ")
			if !inTable || strings.HasPrefix(line, "| ---") {
				inTable = true // skip the header, which repeats the text before the table
				continue
			}
			out = append(out, tableRow(cells, width)...)
			continue
		}
		inTable = false
		switch {
		case strings.HasPrefix(line, "# "), strings.HasPrefix(line, "## "):
			line = strings.ToUpper(strings.TrimLeft(line, "# "))
		case strings.HasPrefix(line, "```"):
			continue
		}
		out = append(out, unmarked(line))
	}
	return Reflow(strings.TrimSpace(strings.Join(out, "\n")), terminal)
}

// topicWidth is the width in columns of the lists in a topic, if the terminal has as many.
const topicWidth = 78

// tableRow returns the lines for a term and its meaning, which is indented next to
// the term or below it.
func tableRow(cells []string, width int) []string {
	const indent = "       "
	var lines []string
	term := "  " + unmarked(cells[0])
	if len(term) < len(indent) {
		term += indent[len(term):]
	} else {
		lines, term = append(lines, term), indent
	}
	for _, line := range Wrap(unmarked(strings.Join(cells[1:], "; ")), width-len(indent)) {
		lines, term = append(lines, strings.TrimRight(term+line, " ")), indent
	}
	return lines
}

// unmarked removes the Markdown for code and links.
func unmarked(line string) string {
	for {
		open := strings.Index(line, "](")
		if open < 0 {
			break
		}
		start, end := strings.LastIndex(line[:open], "["), strings.Index(line[open:], ")")
		if start < 0 || end < 0 {
			break
		}
		line = line[:start] + line[start+1:open] + line[open+end+1:]
	}
	return strings.ReplaceAll(line, "`", "")
}
