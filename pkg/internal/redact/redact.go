// Package redact hides secrets in text that is shown or logged.
package redact

import (
	"net/http"
	"regexp"
	"strings"
)

// Mask stands where a secret was.
const Mask = "***"

// shortest is the length in bytes below which a known secret is not searched
// for: it would blot out half of the words.
const shortest = 4

// The rules work on text, not on parsed JSON, so that they also apply to a
// body that is cut off or broken.
var (
	// member is a JSON member, of any kind, whose name says that it is secret.
	member = regexp.MustCompile(`(?i)("[\w.-]*(?:secret|passw|token|connection_string|private_key|api_?key)[\w.-]*"\s*:\s*)(?:"(?:[^"\\]|\\.)*(?:"|\\?$)|[^\s",}\]\[{]+)`)
	// jwt begins with a JSON object in base64: {", or { and white space.
	jwt    = regexp.MustCompile(`(?:eyJ|eyA|ewo|ewk|ew0)[\w-]{6,}(?:\.[\w-]*)*`)
	scheme = regexp.MustCompile(`(?i)\b(Bearer|Basic)(\s+)[\w.~+/=-]{4,}`)
	// user is the user and password of a URL.
	user = regexp.MustCompile(`(://)[^/?#\s"'<>\\]*@`)
	// query is a query parameter; & may be escaped, as in JSON.
	query = regexp.MustCompile(`(?i)((?:[?&;]|\\u0026)[\w.-]*(?:token|secret|passw|pwd|key|sig|auth|code|jwt|cred)[\w.-]*=)[^&\s"'<>#\\;]+`)
	azure = regexp.MustCompile(`(?i)(SharedAccess(?:Key|Signature)=)[^;\s"'\\]+`)
)

// Text hides everything in a text that looks secret, and each of the secrets.
func Text(s string, secrets ...string) string {
	for _, secret := range secrets {
		if len(secret) >= shortest {
			s = strings.ReplaceAll(s, secret, Mask)
		}
	}
	s = member.ReplaceAllString(s, `${1}"`+Mask+`"`)
	s = jwt.ReplaceAllString(s, Mask)
	s = scheme.ReplaceAllString(s, `${1}${2}`+Mask)
	s = user.ReplaceAllString(s, `${1}`+Mask+`@`)
	s = query.ReplaceAllString(s, `${1}`+Mask)
	return azure.ReplaceAllString(s, `${1}`+Mask)
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
