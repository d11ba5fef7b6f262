package receiver

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// secretCheck is how often secret files are looked at under load: short, so
// that a webhook can be given a new secret right after its file.
const secretCheck = 50 * time.Millisecond

// maxSecretFile is far more than any file of secrets needs, in bytes.
const maxSecretFile = 64 << 10

// Reload is what became of a file that changed.
type Reload struct {
	// Path is the file.
	Path string
	// Fingerprints are those of the secrets now in force, for secret files.
	Fingerprints []string
	// Err is why the file could not be used; what was in force before stays
	// in force.
	Err error
}

// SecretFiles are secrets kept in files, which are read again when they
// change. It is safe for concurrent use.
type SecretFiles struct {
	report  func(Reload)
	check   throttle
	secrets atomic.Pointer[[]webhook.Secret]

	mu    sync.Mutex
	files []secretFile
}

type secretFile struct {
	path    string
	stamp   stamp
	failed  string // the last error reported
	secrets []webhook.Secret
}

// LoadSecretFiles reads secrets from files: one to a line, in hexadecimal;
// blank lines and those that begin with # are passed over. A file that can't
// be read, or holds no secret, is an error. Later on it is reported, once,
// and the secrets it held stay in force. report may be nil; it is called by
// the goroutine of a request, so it has to be quick.
func LoadSecretFiles(report func(Reload), paths ...string) (*SecretFiles, error) {
	if report == nil {
		report = func(Reload) {}
	}
	f := &SecretFiles{report: report, check: throttle{every: secretCheck}}
	for _, path := range paths {
		file := secretFile{path: path}
		if _, err := file.reload(); err != nil {
			return nil, err
		}
		f.files = append(f.files, file)
	}
	f.publish()
	return f, nil
}

// Secrets returns the secrets of all files. It is for Options.Secrets: most
// calls cost a few nanoseconds; some 20 a second look whether files changed.
func (f *SecretFiles) Secrets() []webhook.Secret {
	if f.check.pass() && f.mu.TryLock() {
		f.refresh()
		f.mu.Unlock()
	}
	return *f.secrets.Load()
}

func (f *SecretFiles) refresh() {
	for i := range f.files {
		file := &f.files[i]
		switch changed, err := file.reload(); {
		case err != nil && err.Error() != file.failed:
			file.failed = err.Error()
			f.report(Reload{Path: file.path, Fingerprints: file.fingerprints(), Err: err})
		case changed:
			f.publish()
			f.report(Reload{Path: file.path, Fingerprints: file.fingerprints()})
		}
	}
}

func (f *SecretFiles) publish() {
	var all []webhook.Secret
	for _, file := range f.files {
		all = append(all, file.secrets...)
	}
	f.secrets.Store(&all)
}

// reload reads the file if it changed.
func (f *secretFile) reload() (changed bool, err error) {
	now, err := stampOf(f.path)
	if err != nil {
		f.stamp = stamp{} // so that the same file coming back is read again
		return false, fmt.Errorf("read the secret file: %w", err)
	}
	if f.stamp.same(now) {
		return false, nil
	}
	f.stamp = now
	secrets, err := readSecrets(f.path)
	if err != nil {
		return false, err
	}
	f.secrets, f.failed = secrets, ""
	return true, nil
}

func (f *secretFile) fingerprints() []string {
	prints := make([]string, len(f.secrets))
	for i, s := range f.secrets {
		prints[i] = s.Fingerprint()
	}
	return prints
}

func readSecrets(path string) ([]webhook.Secret, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the secret file: %w", err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the secret file: %w", err)
	}
	if len(text) > maxSecretFile {
		return nil, fmt.Errorf("the secret file %s is over %d bytes: is it the right file?", path, maxSecretFile)
	}
	secrets, err := webhook.ParseSecrets(text)
	if err != nil {
		return nil, fmt.Errorf("the secret file %s: %w", path, err)
	}
	return secrets, nil
}
