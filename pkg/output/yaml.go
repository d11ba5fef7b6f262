package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/goccy/go-yaml/token"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/printable"
)

// toYAML converts JSON from marshal to YAML in block style. It preserves the order
// of keys and the text of numbers, and quotes strings that YAML would read as
// another type.
//
// go-yaml's encoder is not used because it loses the text of numbers, fails for
// keys with newlines, and does not quote carriage returns and .inf. Only its list
// of reserved words is used.
func toYAML(text []byte) ([]byte, error) {
	w := yamlWriter{in: json.NewDecoder(bytes.NewReader(text))}
	w.in.UseNumber()
	if err := w.value(0, top); err != nil {
		return nil, fmt.Errorf("encode the output as YAML: %w", err)
	}
	return w.out.Bytes(), nil
}

// place is the position of a value, which determines how it begins.
type place int

const (
	top       place = iota // at the beginning
	afterKey               // after "key:"
	afterDash              // after "-"
)

type yamlWriter struct {
	in  *json.Decoder
	out bytes.Buffer
}

// value writes one value. depth is the indentation of its lines.
func (w *yamlWriter) value(depth int, at place) error {
	tok, err := w.in.Token()
	if err != nil {
		return err
	}
	open, ok := tok.(json.Delim)
	if !ok {
		w.word(yamlScalar(tok), at)
		return nil
	}
	if !w.in.More() {
		w.word(map[json.Delim]string{'[': "[]", '{': "{}"}[open], at)
	}
	for first := true; w.in.More(); first = false {
		w.begin(depth, at, first)
		if err := w.element(depth, open); err != nil {
			return err
		}
	}
	_, err = w.in.Token() // the closing delimiter
	return err
}

// word writes text that continues the current line.
func (w *yamlWriter) word(text string, at place) {
	if at != top {
		w.out.WriteByte(' ')
	}
	w.out.WriteString(text + "\n")
}

// begin starts an element on a new line, except for the first one after a dash.
func (w *yamlWriter) begin(depth int, at place, first bool) {
	switch {
	case first && at == afterDash:
		w.out.WriteByte(' ')
		return
	case first && at == afterKey:
		w.out.WriteByte('\n')
	}
	w.out.WriteString(strings.Repeat(indent, depth))
}

func (w *yamlWriter) element(depth int, open json.Delim) error {
	if open == '[' {
		w.out.WriteByte('-')
		return w.value(depth+1, afterDash)
	}
	key, err := w.in.Token()
	if err != nil {
		return err
	}
	w.out.WriteString(yamlScalar(key) + ":")
	return w.value(depth+1, afterKey)
}

// plainYAML matches text that every YAML parser reads as a string, except for
// words that token.IsNeedQuoted knows, such as yes or null.
var plainYAML = sync.OnceValue(func() *regexp.Regexp { //nolint:gochecknoglobals // compiled once, when first used
	return regexp.MustCompile(`^[A-Za-z/_][A-Za-z0-9/_@.+-]*(?:[ :][A-Za-z0-9/_@.+-]+)*$`)
})

func yamlScalar(tok json.Token) string {
	switch t := tok.(type) {
	case string:
		if plainYAML().MatchString(t) && !token.IsNeedQuoted(t) {
			return t
		}
		return yamlQuote(t)
	case nil:
		return "null"
	default: // bool, json.Number
		return fmt.Sprint(t)
	}
}

// yamlQuote returns a string in double quotes, with the characters that Safe
// escapes as escape sequences. Go's escape sequences are also valid in YAML.
func yamlQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case printable.IsVisible(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	b.WriteByte('"')
	return b.String()
}
