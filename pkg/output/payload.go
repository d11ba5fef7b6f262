package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// The limits of Payload.
const (
	payloadBytes = 64 << 10
	payloadDepth = 20 // deeper JSON would be mostly indentation
)

// Payload returns a body as lines for people, for Item.Below: JSON indented, other text
// as it is, and at most 64 KiB. The last line says how much is left out.
func Payload(body []byte) []string {
	text, rest := body, 0
	if len(text) > payloadBytes {
		text, rest = text[:payloadBytes], len(body)-payloadBytes
	}
	if rest == 0 && depth(text) <= payloadDepth && json.Valid(text) {
		text = pretty(text, "")
	}
	var lines []string
	for line := range bytes.Lines(text) {
		lines = append(lines, strings.ReplaceAll(strings.TrimRight(string(line), "\r\n"), "\t", "    "))
	}
	if rest > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more bytes", rest))
	}
	return lines
}

// depth returns how deeply the brackets of a JSON text are nested, or more if strings
// contain brackets.
func depth(text []byte) int {
	now, most := 0, 0
	for _, c := range text {
		switch c {
		case '{', '[':
			now++
			most = max(most, now)
		case '}', ']':
			now--
		}
	}
	return most
}
