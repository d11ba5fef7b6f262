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

// WatchWait lets a listener see a new secret before the server signs with it.
// It is three times as long as a listener takes to look for changed secrets.
const WatchWait = 300 * time.Millisecond

// CreateFile writes a secret to a new file with mode 0600. It does not replace
// a file: that may hold a secret that is in use. undo removes the file.
func CreateFile(path string, s webhook.Secret) (undo func() error, err error) {
	err = privatefile.Create(path, []byte(s.Hex()+"\n"))
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, fault.WithHint(fault.Usagef("%s: the file exists, and it may hold a secret that is in use", path), "name a new file")
	case err != nil:
		return nil, fault.Usagef("%w", err)
	}
	return func() error { return os.Remove(path) }, nil
}

// AddToFile writes a secret above those in a file, so that a receiver that
// reads it accepts all of them while the secret is being changed. A file that
// does not exist is created. undo makes the file what it was. A file that holds
// something else, or that everyone can read, stays as it is.
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
		return nil, false, fault.WithHint(fault.Usagef("%s: %w", path, err), "name the file of secrets that listen reads, or a new one")
	}
	return func() error { return privatefile.WriteSecret(path, before) }, true, nil
}
