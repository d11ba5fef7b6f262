package provision

import (
	"errors"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/urls"
)

// CheckURL returns an error for a URL that no client can send an event to, even
// if Mender accepts it. The error contains nothing that may be a password.
func CheckURL(text string) error {
	_, err := urls.Parse(text)
	return err
}

func checkURL(text string) error {
	if strings.HasPrefix(text, "$") {
		return errors.New("variables are not expanded here; write { env: VARIABLE }")
	}
	return CheckURL(text)
}
