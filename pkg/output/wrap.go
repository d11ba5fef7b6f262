package output

import (
	"strings"

	"github.com/clipperhouse/displaywidth"
)

// Wrap breaks text into lines of at most limit terminal cells, at spaces. It breaks
// a word only if the word is longer than a line. All lines have the indentation of
// the text. With a limit of 0, it breaks nothing. The text must be safe for a
// terminal; color does not count.
func Wrap(text string, limit int) []string {
	cells := displaywidth.Options{ControlSequences: true}
	if limit <= 0 || cells.String(text) <= limit {
		return []string{text}
	}
	body := strings.TrimLeft(text, " ")
	indent := strings.Repeat(" ", min(len(text)-len(body), limit/2))
	room := limit - len(indent)
	var lines []string
	line, used := indent, 0
	for i, word := range strings.Split(body, " ") {
		n := cells.String(word)
		if i > 0 && used+1+n <= room {
			line, used = line+" "+word, used+1+n
			continue
		}
		if i > 0 {
			lines = append(lines, strings.TrimRight(line, " "))
		}
		for n > room {
			head := cells.TruncateString(word, room, "")
			if head == "" {
				break // a character that is wider than the line
			}
			lines, word = append(lines, indent+head), word[len(head):]
			n = cells.String(word)
		}
		line, used = indent+word, n
	}
	return append(lines, strings.TrimRight(line, " "))
}

// WrapLines is like Wrap, for a text of several lines.
func WrapLines(text string, limit int) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, Wrap(line, limit)...)
	}
	return strings.Join(lines, "\n")
}

// Reflow wraps a text again if one of its lines is longer than width, unless that is 0.
// Indented lines stay lines of their own.
func Reflow(text string, width int) string {
	if WrapLines(text, width) == text {
		return text
	}
	var paragraphs []string
	joins := false // the next line continues the paragraph
	for line := range strings.SplitSeq(text, "\n") {
		own := line == "" || line[0] == ' ' || line[0] == '-'
		if last := len(paragraphs) - 1; joins && !own {
			paragraphs[last] += " " + line
		} else {
			paragraphs = append(paragraphs, line)
		}
		joins = line != "" && line[0] != ' '
	}
	return WrapLines(strings.Join(paragraphs, "\n"), width)
}

// WrapCommands breaks command lines that are longer than width, unless that is 0, so that a
// shell still reads each as one.
func WrapCommands(text string, width int) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if width > 0 && len(line) > width && !strings.ContainsAny(line, `'"`) {
			const indent = "    "
			parts := Wrap(strings.TrimLeft(line, " "), width-len(indent+"  \\"))
			line = "  " + strings.Join(parts, " \\\n"+indent)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
