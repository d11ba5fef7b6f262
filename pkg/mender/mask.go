package mender

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mask stands where something secret was.
const mask = "***"

// shortest is the length in bytes below which a secret is not looked for in
// text by its letters: it would blot out half of the words.
const shortest = 4

// masker makes text fit to be shown. Its zero value is no use; it may be used
// from several goroutines.
type masker struct {
	rules []maskRule
}

type maskRule struct {
	find    *regexp.Regexp
	replace string
}

// newMasker compiles the rules. They work on text, not on parsed JSON, so that
// they hold for a body that is cut off or broken, too.
func newMasker() *masker {
	rule := func(find, replace string) maskRule {
		return maskRule{find: regexp.MustCompile(find), replace: replace}
	}
	return &masker{rules: []maskRule{
		// JSON members, of any kind, whose name says that they are secret.
		rule(`(?i)("[\w.-]*(?:secret|passw|token|connection_string|private_key|api_?key)[\w.-]*"\s*:\s*)(?:"(?:[^"\\]|\\.)*(?:"|\\?$)|[^\s",}\]\[{]+)`,
			`${1}"`+mask+`"`),
		// A JWT begins with a JSON object in base64: {", or { and white space.
		rule(`(?:eyJ|eyA|ewo|ewk|ew0)[\w-]{6,}(?:\.[\w-]*)*`, mask),
		rule(`(?i)\b(Bearer|Basic)(\s+)[\w.~+/=-]{4,}`, `${1}${2}`+mask),
		// User names and passwords in URLs.
		rule(`(://)[^/?#\s"'<>\\]*@`, `${1}`+mask+`@`),
		// Query values whose name says that they are secret; & may come
		// escaped in JSON.
		rule(`(?i)((?:[?&;]|\\u0026)[\w.-]*(?:token|secret|passw|pwd|key|sig|auth|code|jwt|cred)[\w.-]*=)[^&\s"'<>#\\;]+`,
			`${1}`+mask),
		rule(`(?i)(SharedAccess(?:Key|Signature)=)[^;\s"'\\]+`, `${1}`+mask),
	}}
}

// text masks what looks secret, and each of the secrets given.
func (m *masker) text(s string, secrets ...string) string {
	for _, secret := range secrets {
		if len(secret) >= shortest && !strings.Contains(secret, Omitted) {
			s = strings.ReplaceAll(s, secret, mask)
		}
	}
	for _, r := range m.rules {
		s = r.find.ReplaceAllString(s, r.replace)
	}
	return s
}

// header masks the value of a header.
func (m *masker) header(name, value string, secrets ...string) string {
	name = strings.ToLower(name)
	switch {
	case name == "authorization" || name == "proxy-authorization":
		scheme, _, _ := strings.Cut(value, " ")
		if http.CanonicalHeaderKey(scheme) != "Bearer" && http.CanonicalHeaderKey(scheme) != "Basic" {
			return mask
		}
		return scheme + " " + mask
	case strings.Contains(name, "cookie"), strings.Contains(name, "token"),
		strings.Contains(name, "secret"), strings.Contains(name, "api-key"):
		return mask
	}
	return m.text(value, secrets...)
}

// visible writes control characters, marks that turn the direction of text,
// and broken UTF-8 as escapes. Line breaks are left to the caller.
func visible(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\t' || r == ' ' || unicode.IsGraphic(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
		i += size
	}
	return b.String()
}
