package config

import (
	"errors"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/urls"
)

// NormalizeServer returns a server's URL in its canonical form, which is also a key of
// stored secrets: with a scheme (https by default), in lower case except for the path,
// without the default port and without a trailing slash. The error does not contain the
// URL, which may have a password.
func NormalizeServer(text string) (string, error) {
	switch text := strings.TrimSpace(text); {
	case text == "":
		return "", errors.New("must not be empty")
	case looksLikeToken(text):
		return "", errors.New("looks like a token, but must be the URL of a server")
	}
	return urls.Server(text)
}
