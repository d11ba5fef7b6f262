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

// rawJSON is a value that came as JSON, and goes as the same; Raw may be
// changed by nobody. It saves encoding it anew.
type rawJSON interface{ Raw() json.RawMessage }

// marshal gives the JSON of a value on one line, safe for a terminal: field
// names, their order, unknown fields and the text of numbers are what the
// value's own MarshalJSON gives.
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

// rewrite changes how strings of a valid JSON text are written, never what
// they mean: what Safe would show is escaped, and <, > and &, which
// json.Marshal escapes for the sake of HTML, are not.
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
				out = append(out, `\ufffd`...) // what every decoder makes of it
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

// plainJSON reports whether a text can go out as it is: all of it is printable
// ASCII, and it holds no \u escape. It looks at eight bytes at once, since the
// whole log goes through here.
func plainJSON(text []byte) bool {
	const ones = 0x0101010101010101
	rest := text
	for ; len(rest) >= 8; rest = rest[8:] {
		w := binary.LittleEndian.Uint64(rest)
		// A high bit stays where a byte is over 0x7e, or below 0x20.
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

// pretty indents JSON. prefix begins every line but the first.
func pretty(text []byte, prefix string) []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, text, prefix, indent); err != nil {
		return text // marshal gives valid JSON alone
	}
	return b.Bytes()
}

// colored paints JSON: keys, strings and other values each in a colour.
func (s Style) colored(text []byte) []byte {
	if !s.Enabled {
		return text
	}
	out := make([]byte, 0, 2*len(text))
	for i := 0; i < len(text); {
		n, color := jsonToken(text[i:])
		out = append(out, s.Paint(color, string(text[i:i+n]))...)
		i += n
	}
	return out
}

// jsonToken returns the length and the colour of what text begins with.
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
			return n, Blue
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

// split returns the elements of a JSON array, or what is no array as its only
// element. null is a list without elements: it is how Go writes a nil slice.
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
