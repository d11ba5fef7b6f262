package secret

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/privatefile"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// WatchWait is how long to wait before the server gets a new secret, so that
// listeners see the secret first. It is three times the interval at which
// listeners look for changed secrets.
const WatchWait = 300 * time.Millisecond

// CreateFile writes a secret to a new file with mode 0600. It does not replace an
// existing file, which may contain a secret in use. undo removes the file.
func CreateFile(path string, s webhook.Secret) (undo func() error, err error) {
	err = privatefile.Create(path, []byte(s.Hex()+"\n"))
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, fault.WithHint(fault.Usagef("%s: the file exists and may contain a secret in use", path), "pass the name of a new file")
	case err != nil:
		return nil, fault.Usagef("%w", err)
	}
	return func() error { return os.Remove(path) }, nil
}

// AddToFile writes a secret above the existing ones in a file, so that a receiver
// that reads the file accepts all of them during a rotation. It creates the
// file if it is missing, and refuses one that has other contents or that everyone can read.
// added is false for a new file. undo restores the file.
func AddToFile(path string, s webhook.Secret) (undo func() error, added bool, err error) {
	before, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		undo, err = CreateFile(path, s)
		return undo, false, err
	}
	if err == nil {
		_, err = webhook.ParseSecrets(before)
	}
	if err == nil {
		err = privatefile.WriteSecret(path, append([]byte(s.Hex()+"\n"), before...))
	}
	switch {
	case fault.HintOf(err) != "":
		return nil, false, err
	case err != nil:
		return nil, false, fault.WithHint(fault.Usagef("%s: %w", path, err), "pass the file of secrets that listen reads, or a new one")
	}
	return func() error { return privatefile.WriteSecret(path, before) }, true, nil
}
