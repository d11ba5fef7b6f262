package provision

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/urls"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
)

// CheckURL returns an error for a URL that no client can send an event to, even
// if Mender accepts it. The error contains nothing that may be a password.
func CheckURL(text string) error {
	_, err := urls.Parse(text)
	return err
}

// CheckDescription returns an error for a description that Mender would refuse.
func CheckDescription(text string) error {
	if n := len(text); n > maxDescription {
		return fmt.Errorf("must be at most %d bytes, not %d", maxDescription, n)
	}
	_, err := textfile.Decode([]byte(text))
	return err
}

func checkURL(text string) error {
	if strings.HasPrefix(text, "$") {
		return errors.New("variables are not expanded here; write { env: VARIABLE }")
	}
	return CheckURL(text)
}
