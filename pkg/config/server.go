package config

import (
	"errors"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/urls"
)

// NormalizeServer returns a server's URL in the form that is used everywhere,
// also as a key in the store of secrets: with a scheme (https if there is
// none), in lower case except for its path, without the scheme's own port and
// without a slash at the end. The error quotes nothing that may be a password.
func NormalizeServer(text string) (string, error) {
	switch text := strings.TrimSpace(text); {
	case text == "":
		return "", errors.New("it is empty")
	case looksLikeToken(text):
		return "", errors.New("it looks like a token, not like a server's URL")
	}
	return urls.Server(text)
}
