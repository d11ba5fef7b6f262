package mender

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/urls"
)

// DefaultServer is the server that is meant where none is named: hosted
// Mender in the United States.
const DefaultServer = "https://hosted.mender.io"

// ErrServerURL says that a server's URL can't be used.
var ErrServerURL = errors.New("not a usable server URL")

// ParseServer returns a server's URL in the one form that this package uses,
// so that two spellings of a server compare equal: scheme and host in lower
// case, no default port, no slash at the end. Without a scheme https is
// meant; a path is kept, for servers below a prefix. The error wraps
// ErrServerURL, and quotes nothing that may be a password.
func ParseServer(text string) (string, error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrServerURL, urls.Cause(err))
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return "", fmt.Errorf("%w: the scheme is %q: use https", ErrServerURL, u.Scheme)
	case u.Hostname() == "":
		return "", fmt.Errorf("%w: it has no host", ErrServerURL)
	case u.User != nil:
		return "", fmt.Errorf("%w: it holds a user name: log in, or give a token", ErrServerURL)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", fmt.Errorf("%w: it has a query or a fragment: leave out what follows the path", ErrServerURL)
	}
	host := strings.ToLower(u.Host)
	if port := u.Port(); port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	return u.Scheme + "://" + host + path, nil
}
