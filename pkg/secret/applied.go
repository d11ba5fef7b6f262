package secret

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"time"
)

// iterations makes guessing a weak secret from its fingerprint slow: each guess
// takes tens of milliseconds.
const iterations = 100_000

// Drift is how a secret compares with the one last applied.
type Drift string

// The results of a comparison.
const (
	Unknown Drift = "unknown" // this machine has no record
	Same    Drift = "same"
	Changed Drift = "changed"
)

// setApplied stores a salted fingerprint of the credentials that an integration
// has in Mender, since Mender does not return them.
func (s *Store) setApplied(ctx context.Context, k Key, credentials string) error {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // crypto/rand.Read never returns an error
	sum, err := fingerprint(credentials, salt)
	if err != nil {
		return err
	}
	return s.change(ctx, func(c *contents) error {
		c.put(record{
			Info: Info{Key: k, Place: File, Stored: s.now().UTC().Truncate(time.Second)},
			Salt: salt, Sum: sum,
		})
		return nil
	})
}

// compare compares credentials with those that setApplied last recorded.
func (s *Store) compare(k Key, credentials string) (Drift, error) {
	c, err := s.load()
	if err != nil {
		return Unknown, err
	}
	i := c.find(k)
	if i < 0 {
		return Unknown, nil
	}
	sum, err := fingerprint(credentials, c.Entries[i].Salt)
	if err != nil {
		return Unknown, err
	}
	if subtle.ConstantTimeCompare(sum, c.Entries[i].Sum) == 1 {
		return Same, nil
	}
	return Changed, nil
}

func fingerprint(text string, salt []byte) ([]byte, error) {
	sum, err := pbkdf2.Key(sha256.New, text, salt, iterations, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("calculate a fingerprint: %w", err)
	}
	return sum, nil
}
