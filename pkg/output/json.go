package output

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/printable"
)

const indent = "  "

// rawJSON is a value with its original JSON, which is printed without encoding it
// again. The result of Raw must not be modified.
type rawJSON interface{ Raw() json.RawMessage }

// marshal returns the JSON of a value on one line, safe for a terminal. It preserves
// the field names, order, unknown fields and text of numbers of the value's
// MarshalJSON.
func marshal(v any) ([]byte, error) {
	if r, ok := v.(rawJSON); ok {
		if raw := r.Raw(); len(raw) > 0 && plainJSON(raw) {
			return raw, nil
		}
	}
	text, err := json.Marshal(withLists(v))
	if err != nil {
		return nil, fmt.Errorf("encode the output as JSON: %w", err)
	}
	return rewrite(text), nil
}

// rewrite changes the escape sequences in strings of valid JSON, but not their
// meaning: it escapes the characters that Safe escapes, and unescapes <, > and &,
// which json.Marshal escapes for HTML.
func rewrite(text []byte) []byte {
	if plainJSON(text) {
		return text
	}
	out := make([]byte, 0, len(text)+64)
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text): // only inside strings
			n := 2
			if text[i+1] == 'u' && i+6 <= len(text) {
				n = 6
			}
			out = append(out, unescapeHTML(text[i:i+n])...)
			i += n
		case ' ' <= c && c <= '~':
			out = append(out, c)
			i++
		default:
			r, size := utf8.DecodeRune(text[i:])
			switch {
			case r == utf8.RuneError && size == 1:
				out = append(out, `\ufffd`...) // as every decoder reads it
			case printable.IsVisible(r):
				out = append(out, text[i:i+size]...)
			default:
				out = appendEscaped(out, r)
			}
			i += size
		}
	}
	return out
}

// plainJSON reports whether text needs no rewriting: it is printable ASCII without
// \u escapes. It checks eight bytes at once, because the whole log passes through
// here.
func plainJSON(text []byte) bool {
	const ones = 0x0101010101010101
	rest := text
	for ; len(rest) >= 8; rest = rest[8:] {
		w := binary.LittleEndian.Uint64(rest)
		// A high bit remains if a byte is above 0x7e or below 0x20.
		if (w|(w+ones)|(w-ones*0x20))&(ones*0x80) != 0 {
			return false
		}
	}
	for _, c := range rest {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return !bytes.Contains(text, []byte(`\u`))
}

func unescapeHTML(escape []byte) []byte {
	switch string(bytes.ToLower(escape)) {
	case `\u003c`:
		return []byte("<")
	case `\u003e`:
		return []byte(">")
	case `\u0026`:
		return []byte("&")
	}
	return escape
}

// appendEscaped writes a character as one or, beyond 0xffff, two \u escapes.
func appendEscaped(out []byte, r rune) []byte {
	if r <= 0xffff {
		return fmt.Appendf(out, `\u%04x`, r)
	}
	r -= 0x10000
	return fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
}

// pretty indents JSON. Every line except the first starts with prefix.
func pretty(text []byte, prefix string) []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, text, prefix, indent); err != nil {
		return text // cannot happen: marshal returns valid JSON
	}
	return b.Bytes()
}

// colored returns JSON with colors for keys, strings and other values.
func (s Style) colored(text []byte) []byte {
	if !s.Enabled {
		return text
	}
	out := make([]byte, 0, 2*len(text))
	for i := 0; i < len(text); {
		n, color := jsonToken(text[i:])
		out = append(out, s.paint(color, string(text[i:i+n]))...)
		i += n
	}
	return out
}

// jsonToken returns the length and the color of the first token of text.
func jsonToken(text []byte) (int, Color) {
	switch text[0] {
	case '"':
		n := 1
		for n < len(text) && text[n] != '"' {
			if text[n] == '\\' {
				n++
			}
			n++
		}
		n = min(n+1, len(text))
		if n < len(text) && text[n] == ':' {
			return n, blue
		}
		return n, Green
	case '{', '}', '[', ']', ',', ':', ' ', '\n':
		return 1, Plain
	default:
		n := bytes.IndexAny(text, ",]} \n")
		if n <= 0 {
			n = len(text)
		}
		if text[0] == 'n' {
			return n, Dim
		}
		return n, Yellow
	}
}

// split returns the elements of a JSON array, or text itself if it is another value.
// null is an empty array: Go encodes a nil slice this way.
func split(text []byte) ([]json.RawMessage, error) {
	if string(text) == "null" {
		return nil, nil
	}
	if len(text) == 0 || text[0] != '[' {
		return []json.RawMessage{text}, nil
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(text, &elements); err != nil {
		return nil, fmt.Errorf("split the output into lines: %w", err)
	}
	return elements, nil
}
