package config

import (
	"errors"
	"io"
	"io/fs"

	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// SigningSecretFile returns the first secret in a file; "-" is stdin. If the file does
// not exist, it creates one with a new secret; only its owner can read that file.
func SigningSecretFile(file string, stdin io.Reader) (secret webhook.Secret, created bool, err error) {
	text, err := readText(file, stdin)
	if errors.Is(err, fs.ErrNotExist) {
		secret = webhook.GenerateSecret()
		return secret, true, textfile.CreateSecret(file, []byte(secret.Hex()+"\n"))
	}
	if err != nil {
		return webhook.Secret{}, false, err
	}
	secrets, err := webhook.ParseSecrets([]byte(text))
	if err != nil {
		return webhook.Secret{}, false, err
	}
	return secrets[0], false, nil
}
