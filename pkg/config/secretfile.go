package config

import (
	"fmt"
	"os"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/privatefile"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// AddToSecretFile writes a secret above those that a file holds, so that a
// receiver that reads it takes all of them while a secret is changed. undo
// makes the file what it was. A file that is not there is an error that
// errors.Is fs.ErrNotExist; one that holds something else is a *UsageError,
// and stays as it is.
func AddToSecretFile(file string, secret webhook.Secret) (undo func() error, err error) {
	before, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("add to the secret file: %w", err)
	}
	if _, err := ReadSecretFile(file, nil); err != nil {
		return nil, err
	}
	if err := privatefile.WriteSecret(file, append([]byte(secret.Hex()+"\n"), before...)); err != nil {
		return nil, fmt.Errorf("add to the secret file %s: %w", file, err)
	}
	return func() error { return privatefile.WriteSecret(file, before) }, nil
}
