package config

import (
	"errors"
	"net"
	"net/url"
	"strings"
)

// NormalizeServer returns a server's URL in the form that is used everywhere,
// also as a key in the store of secrets: with a scheme (https where none is
// given), in lower case but for its path, without the scheme's own port and
// without a slash at the end. The error says what is wrong with it; it quotes
// neither the text nor what could be a password in it.
func NormalizeServer(text string) (string, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return "", errors.New("it is empty")
	case looksLikeToken(text):
		return "", errors.New("it looks like a token, not like a server's URL")
	case !strings.Contains(text, "://"):
		text = "https://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", errors.New("it is no URL such as " + DefaultServer)
	case u.Scheme != "https" && u.Scheme != "http":
		return "", errors.New("its scheme is neither https nor http")
	case u.Hostname() == "":
		return "", errors.New("it has no host, as in " + DefaultServer)
	case u.User != nil:
		return "", errors.New("it holds a user name or a password; Mender takes a token instead, which `mender-webhooks login` gets")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New("it has a query or a fragment, which a server's URL does not")
	}
	return u.Scheme + "://" + hostPort(u) + strings.TrimRight(u.EscapedPath(), "/"), nil
}

func hostPort(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if (u.Scheme == "https" && port == "443") || (u.Scheme == "http" && port == "80") {
		port = ""
	}
	if port != "" {
		return net.JoinHostPort(host, port)
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}
