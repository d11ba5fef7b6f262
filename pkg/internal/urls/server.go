package urls

import (
	"errors"
	"net"
	"net/url"
	"strings"
)

// Server returns the URL of a Mender server in canonical form, so that
// different spellings of the same URL compare equal: scheme and host in lower case, no default
// port, and no slash at the end. The scheme is https by default; a path is
// preserved, for servers below a prefix. The error quotes nothing that may be a
// password.
func Server(text string) (string, error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := Parse(text)
	switch {
	case err != nil:
		return "", err
	case u.User != nil:
		return "", errors.New("the URL contains a user name or a password: log in, or pass a token")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New("the URL has a query or a fragment: remove everything after the path")
	}
	return u.Scheme + "://" + hostPort(u) + strings.TrimRight(u.EscapedPath(), "/"), nil
}

func hostPort(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if (u.Scheme == "https" && port == "443") || (u.Scheme == "http" && port == "80") {
		port = ""
	}
	switch {
	case port != "":
		return net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		return "[" + host + "]"
	}
	return host
}
