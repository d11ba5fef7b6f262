package webhook

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// ParseHeader parses header lines of the form "Name: value". It also accepts:
//
//   - the prefixes that tools print: "> " (curl -v, httpie), "< ", or "-H " with
//     quotation marks
//   - signature headers within a line of a proxy's log, with a colon, an equals
//     sign or a comma between name and value
//   - a signature as openssl prints it: "HMAC-SHA2-256(body.json)= c307cc8f…"
func ParseHeader(lines []string) (http.Header, error) {
	logged := regexp.MustCompile(`(?i)(?:\b|_)x[-_]men[-_](algorithm|signature(?:[-_]payload)?)["']?\s*[:=,]\s*["']?([^"',;\s}]+)`)
	openssl := regexp.MustCompile(`(?i)^(?:HMAC-)?SHA2?-?256\(.*\)=\s*([0-9a-f]{64})$`)
	header := http.Header{}
	for _, line := range lines {
		if found := openssl.FindStringSubmatch(strings.TrimSpace(line)); found != nil {
			header.Add(HeaderSignature, found[1])
			continue
		}
		if found := logged.FindAllStringSubmatch(line, -1); found != nil {
			for _, f := range found {
				header.Add("X-Men-"+strings.ReplaceAll(f[1], "_", "-"), f[2])
			}
			continue
		}
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
