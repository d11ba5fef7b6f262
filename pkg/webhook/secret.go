package webhook

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"unique"
)

// GeneratedSecretSize is the size of generated keys, in bytes.
const GeneratedSecretSize = 32

// The errors of ParseSecret. They do not quote the secret.
var (
	ErrSecretEmpty  = errors.New("the secret is empty: Mender would sign with an empty key, which anyone can forge")
	ErrSecretOdd    = errors.New("the secret has an odd number of digits: it must be pairs of hexadecimal digits, such as 00ff")
	ErrSecretNotHex = errors.New("the secret is not hexadecimal: it must be pairs of the digits 0-9 and a-f, such as 00ff")
)

// Secret is the key with which Mender signs the deliveries of a webhook. The
// zero Secret means that there is no secret: deliveries are not signed.
//
// Printing or encoding a Secret shows only its fingerprint; Hex reveals it.
// Secrets are comparable with == and safe for concurrent use.
type Secret struct {
	handle unique.Handle[material]
}

// material holds the secret behind two handles, which are pointers. For unexported
// fields and unsuitable verbs, package fmt calls no methods and prints the value
// itself, but it follows at most one pointer.
type material struct {
	key, text   unique.Handle[string]
	fingerprint string // computed once: receivers show it with each request
}

func newSecret(key []byte, text string) Secret {
	return Secret{handle: unique.Make(material{
		key: unique.Make(string(key)), text: unique.Make(text),
		fingerprint: hex.EncodeToString(mac(string(key), []byte("mender-webhooks secret fingerprint"))[:4]),
	})}
}

// key returns the HMAC key, which is empty if there is no secret.
func (s Secret) key() string {
	if s.IsZero() {
		return ""
	}
	return s.handle.Value().key.Value()
}

// ParseSecret parses a secret in Mender's form: an even number of hexadecimal
// digits in either case. The HMAC key is the bytes they encode. The error is
// ErrSecretEmpty, ErrSecretOdd or ErrSecretNotHex.
//
// Mender's API description says 1 to 64 lower-case digits. The service accepts
// longer secrets and upper case, and refuses an odd number of digits.
func ParseSecret(text string) (Secret, error) {
	if text == "" {
		return Secret{}, ErrSecretEmpty
	}
	key, err := hex.DecodeString(text)
	switch {
	case errors.Is(err, hex.ErrLength):
		return Secret{}, ErrSecretOdd
	case err != nil:
		return Secret{}, ErrSecretNotHex
	}
	return newSecret(key, text), nil
}

// ParseSecrets parses a file with one secret per line. It ignores surrounding
// white space, blank lines, lines that begin with #, and a byte order mark. With
// two secrets, a receiver accepts both during a rotation. The error is
// ErrSecretEmpty for a file without a secret; errors name the line and do not
// quote it.
func ParseSecrets(text []byte) ([]Secret, error) {
	var secrets []Secret
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		s, err := ParseSecret(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		secrets = append(secrets, s)
	}
	if len(secrets) == 0 {
		return nil, fmt.Errorf("no secret on any line: %w", ErrSecretEmpty)
	}
	return secrets, nil
}

// GenerateSecret returns a secret of GeneratedSecretSize random bytes.
func GenerateSecret() Secret {
	key := make([]byte, GeneratedSecretSize)
	_, _ = rand.Read(key) // crypto/rand.Read never returns an error
	return newSecret(key, hex.EncodeToString(key))
}

// EmptySecret returns the secret that Mender uses for an empty string. It signs
// with an empty key, so anyone can forge its signatures. ParseSecret refuses
// it, but a simulated server needs it.
func EmptySecret() Secret { return newSecret(nil, "") }

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s == Secret{} }

// Hex returns the secret itself, as passed to ParseSecret. Write it only to a
// request to Mender, a file with mode 0600, or a keyring.
func (s Secret) Hex() string {
	if s.IsZero() {
		return ""
	}
	return s.handle.Value().text.Value()
}

// Fingerprint returns eight hexadecimal digits that distinguish secrets without
// revealing them, or "" if there is no secret. It does not depend on the case of
// the secret's digits.
func (s Secret) Fingerprint() string {
	if s.IsZero() {
		return ""
	}
	return s.handle.Value().fingerprint
}

// String returns "secret" and the fingerprint, or "no secret".
func (s Secret) String() string {
	if s.IsZero() {
		return "no secret"
	}
	return "secret " + s.Fingerprint()
}

// Format implements fmt.Formatter. It prints the fingerprint for every verb, so
// that printing a surrounding struct with %+v or %x does not reveal the secret.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText implements encoding.TextMarshaler: JSON, YAML and slog show the
// fingerprint.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
