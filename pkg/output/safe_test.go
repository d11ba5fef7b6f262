package output

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/printable"
)

func TestSafe(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"plain", `plain "text" \x1b`, `plain "text" \x1b`},
		{"other scripts", "Größe 温度　計 עברית ไทย e\u0301 ❤\ufe0f 🚀", "Größe 温度　計 עברית ไทย e\u0301 ❤\ufe0f 🚀"},
		{"colour", "\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		{"title", "\x1b]0;owned\a", `\x1b]0;owned\x07`},
		{"C1 CSI", "\u009b2J", `\u009b2J`},
		{"C1 as a byte", "\x9b2J", `\x9b2J`},
		{"delete and backspace", "a\x7f\bb", `a\x7f\x08b`},
		{"line ends", "a\nb\r\tc\v", `a\nb\r\tc\x0b`},
		{"next line, separators", "a\u0085b\u2028c\u2029d", `a\u0085b\u2028c\u2029d`},
		{"overrides", "\u202eabc\u202c\u202d", `\u202eabc\u202c\u202d`},
		{"isolates and marks", "\u2066a\u2069\u200e\u200f\u061c", `\u2066a\u2069\u200e\u200f\u061c`},
		{"zero width", "a\u200bb\u200c\u200d\u2060\ufeff\u00ad", `a\u200bb\u200c\u200d\u2060\ufeff\u00ad`},
		{"invisible letters", "\u034f\u115f\u3164\uffa0\u2800\u180b", `\u034f\u115f\u3164\uffa0\u2800\u180b`},
		{"tags", "\U000e0041\U000e0100", `\U000e0041\U000e0100`},
		{"private use", "\ue000", `\ue000`},
		{"invalid UTF-8", "a\xffb\xc3", `a\xffb\xc3`},
		{"surrogate half", "\xed\xa0\x80", `\xed\xa0\x80`},
		{"replacement character", "\ufffd", "\ufffd"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Safe(test.in); got != test.want {
				t.Errorf("Safe(%q) = %q, want %q", test.in, got, test.want)
			}
		})
	}
	if got, want := SafeMultiline("a\n\tb\r\n\x1b"), "a\n\tb\\r\n\\x1b"; got != want {
		t.Errorf("SafeMultiline: %q, want %q", got, want)
	}
}

var unsafeSeeds = []string{
	"plain", "", "\x00", "\x1b[2J\x1b]8;;http://x\x1b\\", "\u009b", "\x9b", "\u202e\u2066", "a\nb\tc\r",
	"\u200b\ufeff\u00ad\u2028", "\xff\xc3", "\U000e0041", "温度計", "❤\ufe0f", `{"a":"<b>"}`, `\u003c`, `"\"`,
	".inf", "12:30:45", "0x1f", "1_000", "no", "~", "- a", "a: b", "# c", "<<", "=", "*a", "%x", " lead ", "a\u0085b",
	"2026-11-23", "1e5", "\ufffd", "'", "a: \n  b", "?", "---", "...", "null", "Yes", "y", "N", "!tag", "|", ">",
}

// onlyVisible fails on any character that a terminal might interpret or hide.
func onlyVisible(t *testing.T, what, text, allowed string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s is no UTF-8: %q", what, text)
	}
	for _, r := range text {
		if !printable.IsVisible(r) && !strings.ContainsRune(allowed, r) {
			t.Errorf("%s has %U: %q", what, r, text)
		}
	}
}

func FuzzSafe(f *testing.F) {
	for _, s := range unsafeSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		safe := Safe(s)
		onlyVisible(t, "Safe", safe, "")
		onlyVisible(t, "SafeMultiline", SafeMultiline(s), "\n\t")
		if again := Safe(safe); again != safe {
			t.Errorf("safe text changes: %q to %q", safe, again)
		}
		if SafeMultiline(s) != s && safe == s {
			t.Errorf("SafeMultiline changes %q, which Safe does not", s)
		}
	})
}

func BenchmarkSafePlain(b *testing.B) {
	for b.Loop() {
		Safe("27f35fc7-6930-4fb0-96f3-d9d0ef261c8c")
	}
}
