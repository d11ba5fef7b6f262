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

// GeneratedSecretSize is the size in bytes of the keys GenerateSecret makes.
const GeneratedSecretSize = 32

// What is wrong with the text of a secret. None of them quotes it.
var (
	ErrSecretEmpty  = errors.New("the secret is empty: Mender would sign with an empty key, which anyone can forge")
	ErrSecretOdd    = errors.New("the secret has an odd number of digits: Mender takes hexadecimal digits in pairs, such as 00ff")
	ErrSecretNotHex = errors.New("the secret is not hexadecimal: Mender takes digits 0-9 and a-f alone, in pairs, such as 00ff")
)

// Secret is the key that Mender signs a webhook's deliveries with. The zero
// Secret is none at all: what is sent with it is unsigned.
//
// However it is printed, a Secret shows its fingerprint alone; Hex gives it
// away. Secrets can be compared with ==, and used from several goroutines.
type Secret struct {
	handle unique.Handle[material]
}

// material lies behind handles, which are pointers inside: package fmt calls
// no methods on unexported fields, nor where a verb does not fit, and would
// print what it finds there. It follows one pointer at most; so there are two.
type material struct {
	key, text   unique.Handle[string]
	fingerprint string // worked out once: receivers show it with each request
}

func newSecret(key []byte, text string) Secret {
	return Secret{handle: unique.Make(material{
		key: unique.Make(string(key)), text: unique.Make(text),
		fingerprint: hex.EncodeToString(mac(string(key), []byte("mender-webhooks secret fingerprint"))[:4]),
	})}
}

// key is what the HMAC is made with: no bytes, where there is no secret.
func (s Secret) key() string {
	if s.IsZero() {
		return ""
	}
	return s.handle.Value().key.Value()
}

// ParseSecret reads a secret as Mender takes it: an even number of
// hexadecimal digits in either case. The HMAC key is the bytes they stand
// for. The error is ErrSecretEmpty, ErrSecretOdd or ErrSecretNotHex.
//
// Mender's API description says 1 to 64 lower-case digits; the service takes
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

// ParseSecrets reads a file of secrets: one to a line; white space around it,
// blank lines, lines that begin with # and the mark that Windows' editors put
// at the start of a file are passed over. Two lines let a
// receiver take both while a secret is changed. A text without any secret is
// ErrSecretEmpty; the errors name a line's number and never quote it.
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
		return nil, fmt.Errorf("there is no secret on any line: %w", ErrSecretEmpty)
	}
	return secrets, nil
}

// GenerateSecret makes a secret of GeneratedSecretSize random bytes.
func GenerateSecret() Secret {
	key := make([]byte, GeneratedSecretSize)
	_, _ = rand.Read(key) // crypto/rand.Read never returns an error
	return newSecret(key, hex.EncodeToString(key))
}

// EmptySecret is what Mender makes of an empty string: it signs, under a key
// that everybody knows. ParseSecret refuses it; a stand-in for the server
// needs it.
func EmptySecret() Secret { return newSecret(nil, "") }

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s == Secret{} }

// Hex returns the secret itself, as it was given to ParseSecret. It belongs
// in a request to Mender, a file of mode 0600 or a keyring, and nowhere else.
func (s Secret) Hex() string {
	if s.IsZero() {
		return ""
	}
	return s.handle.Value().text.Value()
}

// Fingerprint returns eight hexadecimal digits that tell secrets apart
// without giving them away, or "" where there is no secret. The digits' case
// in the secret makes no difference.
func (s Secret) Fingerprint() string {
	if s.IsZero() {
		return ""
	}
	return s.handle.Value().fingerprint
}

// String returns the fingerprint.
func (s Secret) String() string {
	if s.IsZero() {
		return "no secret"
	}
	return "secret " + s.Fingerprint()
}

// Format prints the fingerprint for every verb, so that no %+v or %x of a
// struct around a Secret can give it away.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText makes JSON, YAML and slog show the fingerprint.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
