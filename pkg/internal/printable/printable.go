// Package printable makes text from outside harmless for a terminal.
package printable

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape returns text in which control characters, the escape character among
// them, bidirectional overrides, invisible characters and line separators are
// shown as \x1b, \u202e, \n, and bytes that are not UTF-8 as \xff. All other
// characters, and those in keep, stay as they are.
func Escape(s, keep string) string {
	if isPlainASCII(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case IsVisible(r) || strings.ContainsRune(keep, r):
			b.WriteString(s[i : i+size])
		default:
			b.WriteString(escapeRune(r))
		}
		i += size
	}
	return b.String()
}

func isPlainASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func escapeRune(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < utf8.RuneSelf:
		return fmt.Sprintf(`\x%02x`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	default:
		return fmt.Sprintf(`\U%08x`, r)
	}
}

// IsVisible reports whether a character is displayed as itself, without changing
// the text around it.
//
// unicode.IsGraphic leaves out control and format characters (and so the
// bidirectional ones), line separators, private and unassigned ones. The
// two tables list characters that it accepts although they are invisible.
// Variation selectors 15 and 16 are accepted, since ordinary emoji use them.
func IsVisible(r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		return ' ' <= r && r <= '~'
	case r == '\ufe0e' || r == '\ufe0f':
		return true
	case r == '\u2800': // braille pattern blank: a symbol without ink
		return false
	}
	return unicode.IsGraphic(r) &&
		!unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
