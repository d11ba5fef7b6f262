package output

import (
	"net/url"
	"regexp"
	"strings"
)

// masked stands for what is not shown.
const masked = "***"

var (
	// userinfo is what stands between the scheme and the host of a URL.
	userinfo = regexp.MustCompile(`(://)([^/?#\s"]*)@`)
	// parameter is one parameter of a query or a fragment. Its value ends
	// where the URL does: at a space or a quotation mark that is not escaped.
	parameter = regexp.MustCompile(`([?&;#])([^=&;#?\s"]+)=((?:\\.|[^&#\s"\\])*)`)
)

// MaskURL hides what should not be read over a shoulder in a URL: the
// password of its user (or a user name that stands alone, which may be a
// token), and the values of query parameters that are called token, key,
// secret, signature or the like. The text need not be a valid URL.
func MaskURL(text string) string { return MaskText(text) }

// MaskText is MaskURL for every URL inside a longer text, such as
//
//	Post "https://user:password@host/hook?token=abc": EOF
func MaskText(text string) string {
	if !strings.ContainsAny(text, "@=") {
		return text
	}
	text = userinfo.ReplaceAllStringFunc(text, func(m string) string {
		user, _, hasPassword := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(m, "://"), "@"), ":")
		switch {
		case hasPassword:
			return "://" + user + ":" + masked + "@"
		case user == "":
			return m
		default:
			return "://" + masked + "@"
		}
	})
	return parameter.ReplaceAllStringFunc(text, func(m string) string {
		name, value, _ := strings.Cut(m, "=")
		if value == "" || !isSecretName(name[1:]) {
			return m
		}
		return name + "=" + masked
	})
}

// isSecretName errs on the side of hiding too much.
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
	// Short ones are only meant at the end: api_key and sig, but not keyboard.
	for _, end := range []string{"key", "sig", "code", "pwd", "pass", "pw"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}
