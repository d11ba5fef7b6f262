package redact

import (
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// urlParts returns the expressions for the part between the scheme and the host
// of a URL, and for a parameter of a query or a fragment. A parameter's value ends
// where the URL does: at a space or a quotation mark that is not escaped.
var urlParts = sync.OnceValues(func() (userinfo, parameter *regexp.Regexp) { //nolint:gochecknoglobals // compiled once, when they are needed
	return regexp.MustCompile(`(://)([^/?#\s"]*)@`), regexp.MustCompile(`([?&;#])([^=&;#?\s"]+)=((?:\\.|[^&#\s"\\])*)`)
})

// URLs hides what may be secret in each URL of a text: the password of its
// user (or a user name without one, which may be a token), and the values of
// parameters called token, key, secret, signature or the like.
func URLs(text string) string {
	if !strings.ContainsAny(text, "@=") {
		return text
	}
	userinfo, parameter := urlParts()
	text = userinfo.ReplaceAllStringFunc(text, func(m string) string {
		user, _, hasPassword := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(m, "://"), "@"), ":")
		switch {
		case hasPassword:
			return "://" + user + ":" + Mask + "@"
		case user == "":
			return m
		default:
			return "://" + Mask + "@"
		}
	})
	return parameter.ReplaceAllStringFunc(text, func(m string) string {
		name, value, _ := strings.Cut(m, "=")
		if value == "" || !isSecretName(name[1:]) {
			return m
		}
		return name + "=" + Mask
	})
}

// isSecretName reports whether a parameter of this name may hold a secret. It
// errs on the side of hiding too much.
func isSecretName(name string) bool {
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	name = strings.ToLower(name)
	for _, part := range []string{
		"token", "secret", "signature", "password", "passwd", "passphrase",
		"credential", "auth", "jwt", "session", "hmac",
	} {
		if strings.Contains(name, part) {
			return true
		}
	}
	// Short names match only at the end: api_key and sig, but not keyboard.
	for _, end := range []string{"key", "sig", "code", "pwd", "pass", "pw"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}
