package receiver

import (
	"context"
	"fmt"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/reload"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// secretCheck is the shortest time between two looks at files of secrets: short,
// so that a webhook can be given a new secret right after its file.
const secretCheck = 10 * time.Millisecond

// maxSecretFile is far more than any file of secrets needs, in bytes.
const maxSecretFile = 64 << 10

// Reload is the outcome of reading a file again that changed.
type Reload struct {
	// Path is the file.
	Path string
	// Fingerprints identify the current secrets, for secret files.
	Fingerprints []string
	// Err is why the file could not be used; its previous content stays effective.
	Err error
}

// SecretFiles are secrets in files, which are read again when they change. It
// is safe for concurrent use.
type SecretFiles struct {
	files []*reload.Value[[]webhook.Secret]
}

// LoadSecretFiles reads secrets from files: one per line, in hexadecimal; blank
// lines and those that begin with # are ignored. A file that cannot be read, or
// holds no secret, is an error. Later on it is reported, once, and the secrets
// it had stay effective. report may be nil; it is called by the goroutine of a
// request and must return at once.
func LoadSecretFiles(report func(Reload), paths ...string) (*SecretFiles, error) {
	f := &SecretFiles{}
	for _, path := range paths {
		file, err := reload.New(reload.Options[[]webhook.Secret]{
			Files: []string{path},
			Every: secretCheck,
			Read:  func() ([]webhook.Secret, error) { return readSecrets(path) },
			Report: func(secrets []webhook.Secret, err error) {
				if report != nil {
					report(Reload{Path: path, Fingerprints: fingerprints(secrets), Err: err})
				}
			},
		})
		if err != nil {
			return nil, err
		}
		f.files = append(f.files, file)
	}
	return f, nil
}

// Secrets returns the secrets of all files. It is for Options.Secrets: most
// calls cost a few nanoseconds; at most 100 a second look for changed files.
func (f *SecretFiles) Secrets() []webhook.Secret {
	if len(f.files) == 1 {
		return f.files[0].Get()
	}
	var all []webhook.Secret
	for _, file := range f.files {
		all = append(all, file.Get()...)
	}
	return all
}

// WatchSecrets calls read for secrets now, and again whenever the file changed
// or the last read failed. The file may be missing. changed is called after
// each read but the first, by the goroutine of a request, with the current
// secrets, which are the previous ones if read failed.
func WatchSecrets(file string, read func() ([]webhook.Secret, error), changed func([]webhook.Secret, error)) (secrets func() []webhook.Secret, err error) {
	v, err := reload.New(reload.Options[[]webhook.Secret]{
		Files: []string{file}, Optional: true, Every: secretCheck, Read: read, Report: changed,
	})
	if err != nil {
		return nil, err
	}
	return v.Get, nil
}

func fingerprints(secrets []webhook.Secret) []string {
	prints := make([]string, len(secrets))
	for i, s := range secrets {
		prints[i] = s.Fingerprint()
	}
	return prints
}

func readSecrets(path string) ([]webhook.Secret, error) {
	text, err := textfile.Read(context.Background(), path, nil, maxSecretFile)
	if err != nil {
		return nil, fmt.Errorf("read the secret file: %w", err) // names it
	}
	secrets, err := webhook.ParseSecrets(text)
	if err != nil {
		return nil, fmt.Errorf("read the secret file %s: %w", path, err)
	}
	return secrets, nil
}
