package webhook

import (
	"fmt"
	"net/http"
	"strings"
)

// ParseHeader reads header lines as "Name: value". A line may begin as tools
// print it: with "> " (curl -v, httpie), "< ", or "-H " and quotation marks.
func ParseHeader(lines []string) (http.Header, error) {
	header := http.Header{}
	for _, line := range lines {
		text := strings.TrimSpace(line)
		for _, mark := range []string{">", "<", "*", "-H", "--header"} {
			if rest, ok := strings.CutPrefix(text, mark); ok && strings.TrimLeft(rest, " \t") != rest {
				text = strings.TrimSpace(rest)
				break
			}
		}
		if len(text) > 1 && (text[0] == '"' || text[0] == '\'') && text[len(text)-1] == text[0] {
			text = text[1 : len(text)-1]
		}
		name, value, ok := strings.Cut(text, ":")
		name = strings.TrimSpace(name)
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("%q is not a header line: write it as `Name: value`", line)
		}
		header.Add(name, strings.TrimSpace(value))
	}
	return header, nil
}
