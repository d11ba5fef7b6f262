package mender

import (
	"errors"
	"fmt"

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
	server, err := urls.Server(text)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrServerURL, err)
	}
	return server, nil
}
