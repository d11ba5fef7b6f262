package receiver

import (
	"context"
	"fmt"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/reload"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// secretCheck is the shortest time between two checks of a secret file: short, so
// that you can update the webhook's secret right after its file.
const secretCheck = 10 * time.Millisecond

// maxSecretFile is the size limit of a secret file, in bytes: far more than one
// needs.
const maxSecretFile = 64 << 10

// Reload is the result of reading a changed file again.
type Reload struct {
	// Path is the file.
	Path string
	// Fingerprints identify the current secrets if the file is a secret file.
	Fingerprints []string
	// Err is the reason why the file could not be used, or nil. After an error,
	// the previous contents stay in effect.
	Err error
}

// SecretFiles holds secrets from files, which it reads again when they change. It
// is safe for concurrent use.
type SecretFiles struct {
	files []*reload.Value[[]webhook.Secret]
}

// LoadSecretFiles reads secrets from files: one per line, in hexadecimal. Blank
// lines and lines that begin with # are ignored. LoadSecretFiles fails if a file
// cannot be read or contains no secret. If that happens after a later change, it
// is reported once, and the file's previous secrets stay in effect. report may be
// nil; it is called by a request's goroutine and must return at once.
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
// calls take a few nanoseconds, and at most 100 per second check for changed
// files.
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

// WatchSecrets calls read to get the secrets, and again whenever the file has
// changed or the last read failed. The file may be missing. After each read
// except the first, a request's goroutine calls changed with the current secrets,
// which are the previous ones if read failed.
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
		return nil, fmt.Errorf("read the secret file: %w", err) // the error names the file
	}
	secrets, err := webhook.ParseSecrets(text)
	if err != nil {
		return nil, fmt.Errorf("read the secret file %s: %w", path, err)
	}
	return secrets, nil
}
