// Package redact hides secrets in text that is shown or logged.
package redact

import (
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// Mask replaces a secret.
const Mask = "***"

// shortest is the length in bytes below which a known secret is not searched
// for: it would blot out half of the words.
const shortest = 4

// rule replaces text that looks secret.
type rule struct {
	pattern *regexp.Regexp
	masked  string
}

// rules work on text, not on parsed JSON, so that they also apply to a body that
// is cut off or broken. Compiling them takes 0.1 ms, which is too much for each
// start of the program.
var rules = sync.OnceValue(func() []rule { //nolint:gochecknoglobals // compiled once, when they are needed
	return []rule{
		// A JSON member, of any kind, whose name says that it is secret.
		{regexp.MustCompile(`(?i)("[\w.-]*(?:secret|passw|token|connection_string|private_key|api_?key)[\w.-]*"\s*:\s*)(?:"(?:[^"\\]|\\.)*(?:"|\\?$)|[^\s",}\]\[{]+)`), `${1}"` + Mask + `"`},
		// A JWT, which begins with a JSON object in base64: {", or { and white space.
		{regexp.MustCompile(`(?:eyJ|eyA|ewo|ewk|ew0)[\w-]{6,}(?:\.[\w-]*)*`), Mask},
		{regexp.MustCompile(`(?i)\b(Bearer|Basic)(\s+)[\w.~+/=-]{4,}`), `${1}${2}` + Mask},
		// The user and password of a URL.
		{regexp.MustCompile(`(://)[^/?#\s"'<>\\]*@`), `${1}` + Mask + `@`},
		// A query parameter; & may be escaped, as in JSON.
		{regexp.MustCompile(`(?i)((?:[?&;]|\\u0026)[\w.-]*(?:token|secret|passw|pwd|key|sig|auth|code|jwt|cred)[\w.-]*=)[^&\s"'<>#\\;]+`), `${1}` + Mask},
		{regexp.MustCompile(`(?i)(SharedAccess(?:Key|Signature)=)[^;\s"'\\]+`), `${1}` + Mask},
	}
})

// Known hides each of the secrets in a text.
func Known(s string, secrets ...string) string {
	for _, secret := range secrets {
		if len(secret) >= shortest {
			s = strings.ReplaceAll(s, secret, Mask)
		}
	}
	return s
}

// Text hides everything in a text that looks secret, and each of the secrets.
func Text(s string, secrets ...string) string {
	s = Known(s, secrets...)
	for _, r := range rules() {
		s = r.pattern.ReplaceAllString(s, r.masked)
	}
	return s
}

// IsCredential reports whether a header of this name may hold a credential.
//
// It is called for each header of each event, for which a regular expression
// would take 2 µs.
func IsCredential(name string) bool {
	name = strings.ToLower(name)
	for _, part := range [...]string{"auth", "cookie", "token", "secret", "passw", "credential", "session", "jwt", "apikey", "api-key"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// HeaderValue returns the value of a header without credentials: only an
// authentication scheme, such as Basic, stays readable.
func HeaderValue(name, value string, secrets ...string) string {
	if !IsCredential(name) {
		return Text(value, secrets...)
	}
	if kind, _, ok := strings.Cut(value, " "); ok && strings.HasSuffix(http.CanonicalHeaderKey(name), "Authorization") {
		return kind + " " + Mask
	}
	return Mask
}
