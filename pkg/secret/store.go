package secret

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
)

// Options are the settings of a Store. Only File is required.
type Options struct {
	// File is the path of the store's file, as in config.Settings.SecretsFile.
	File string
	// NoKeyring stores new secrets in the file. Secrets that are already in the
	// keyring can still be read and forgotten.
	NoKeyring bool
	// keyring is the keyring to use; nil for the system's.
	keyring systemKeyring
	// keyringTimeout is how long to wait for the keyring; 0 for the constant of
	// the same name.
	keyringTimeout time.Duration
	// Now is the clock; nil for time.Now.
	Now func() time.Time
}

// Store stores secrets. It is safe for concurrent use, even by several processes.
// An error may have a hint (see pkg/fault), and never contains a secret.
type Store struct {
	path      string
	noKeyring bool
	keyring   *timed
	now       func() time.Time
	mu        sync.Mutex // one change at a time
}

// New returns a Store. It does not read or create the file.
func New(o Options) *Store {
	if o.keyring == nil {
		o.keyring = system{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Store{
		path: o.File, noKeyring: o.NoKeyring, now: o.Now,
		keyring: &timed{keyring: o.keyring, limit: cmp.Or(o.keyringTimeout, keyringTimeout)},
	}
}

// Get returns a secret. The error wraps ErrNotFound if the secret is not stored,
// and has a hint if the keyring cannot return it.
func (s *Store) Get(ctx context.Context, k Key) (Entry, error) {
	c, err := s.load()
	if err != nil {
		return Entry{}, err
	}
	return s.get(ctx, c, k)
}

func (s *Store) get(ctx context.Context, c contents, k Key) (Entry, error) {
	i := c.find(k)
	if i < 0 || k.Kind == Applied {
		return Entry{}, fmt.Errorf("%s is %w", k, ErrNotFound)
	}
	r := c.Entries[i]
	if r.Place == File {
		return Entry{Info: r.Info, Value: r.Value, Old: r.Old}, nil
	}
	found, err := s.keyring.get(ctx, k)
	switch {
	case errors.Is(err, ErrNotFound):
		return Entry{}, fmt.Errorf("%s is %w: it was removed from the system's keyring", k, ErrNotFound)
	case err != nil:
		return Entry{}, keyringError(k, err)
	}
	return Entry{Info: r.Info, Value: found.Value, Old: found.Old}, nil
}

func keyringError(k Key, err error) error {
	return fault.WithHint(fmt.Errorf("%s is in the system's keyring, which cannot be used: %w", k, err),
		"unlock the keyring, or store secrets in a file with --no-keyring")
}

// Token returns the account's token, or "" if none is stored.
func (s *Store) Token(ctx context.Context, account config.Account) (string, error) {
	if s.path == "" {
		return "", nil // this machine has no place for a store
	}
	e, err := s.Get(ctx, TokenKey(account))
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return e.Value, err
}

// Set stores a secret, replaces one with the same key, and returns where it
// stored it. The store fills in Stored and Place.
func (s *Store) Set(ctx context.Context, e Entry) (Saved, error) {
	if e.Value == "" || e.Kind == Applied {
		return Saved{}, fmt.Errorf("%s cannot be stored: it is empty, or not a secret", e.Key)
	}
	var saved Saved
	err := s.change(ctx, func(c *contents) (err error) {
		saved, err = s.put(ctx, c, e)
		return err
	})
	if err != nil && saved.Place == Keyring {
		err = errors.Join(err, s.undo(context.WithoutCancel(ctx), e.Key))
	}
	return saved, err
}

// undo removes a secret from the keyring after the file could not be written,
// unless the file still refers to an older one.
func (s *Store) undo(ctx context.Context, k Key) error {
	if c, err := s.load(); err == nil && c.find(k) < 0 {
		return s.keyring.delete(ctx, k)
	}
	return nil
}

// put stores a secret in the keyring if possible, and otherwise in the file. It
// removes the secret from the other place, as far as the keyring allows.
func (s *Store) put(ctx context.Context, c *contents, e Entry) (Saved, error) {
	saved := Saved{Place: File, Path: s.path}
	r := record{Info: e.Info}
	r.Stored = s.now().UTC().Truncate(time.Second)
	whole := item{Value: e.Value, Old: e.Old}
	if !s.noKeyring {
		if saved.KeyringErr = s.keyring.set(ctx, e.Key, whole); saved.KeyringErr == nil {
			saved.Place = Keyring
		}
		if err := ctx.Err(); err != nil && saved.Place == File {
			return saved, err // an interruption does not mean that there is no keyring
		}
	}
	if saved.Place == File {
		r.item = whole
		if i := c.find(e.Key); i >= 0 && c.Entries[i].Place == Keyring {
			_ = s.keyring.delete(ctx, e.Key) // the file takes precedence now
		}
	}
	r.Place = saved.Place
	c.put(r)
	return saved, nil
}

// Rotate stores a new webhook secret and leaves the earlier ones as old secrets,
// so that a receiver accepts all of them until ForgetOld.
func (s *Store) Rotate(ctx context.Context, k Key, value string, origin Origin) (Saved, error) {
	var saved Saved
	err := s.change(ctx, func(c *contents) error {
		e, err := s.get(ctx, *c, k)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		old := e.Old
		if err == nil {
			old = append([]string{e.Value}, e.Old...)
		}
		old = slices.DeleteFunc(slices.Clone(old), func(o string) bool { return o == value })
		saved, err = s.put(ctx, c, Entry{Info: Info{Key: k, Origin: origin}, Value: value, Old: old})
		return err
	})
	return saved, err
}

// ForgetOld ends a rotation: it forgets all secrets of a webhook except for the
// newest.
func (s *Store) ForgetOld(ctx context.Context, k Key) error {
	return s.change(ctx, func(c *contents) error {
		e, err := s.get(ctx, *c, k)
		if err != nil || len(e.Old) == 0 {
			return err
		}
		e.Old = nil
		_, err = s.put(ctx, c, e)
		return err
	})
}

// Delete forgets a secret. The error wraps ErrNotFound if it is not stored.
func (s *Store) Delete(ctx context.Context, k Key) error {
	return s.change(ctx, func(c *contents) error {
		i := c.find(k)
		if i < 0 {
			return fmt.Errorf("%s is %w", k, ErrNotFound)
		}
		if c.Entries[i].Place == Keyring {
			if err := s.keyring.delete(ctx, k); err != nil {
				return keyringError(k, err)
			}
		}
		c.remove(k)
		return nil
	})
}

// List describes the stored secrets of a kind, ordered by server and name. It does
// not read the keyring.
func (s *Store) List(kind Kind) ([]Info, error) {
	c, err := s.load()
	if err != nil {
		return nil, err
	}
	infos := []Info{}
	for _, r := range c.Entries {
		if r.Kind == kind {
			infos = append(infos, r.Info)
		}
	}
	slices.SortFunc(infos, func(a, b Info) int {
		return cmp.Or(cmp.Compare(a.Server, b.Server), cmp.Compare(a.Name, b.Name))
	})
	return infos, nil
}

// Check returns an error if the store cannot be changed: it writes the store
// unchanged. Call it before sending something that cannot be undone.
func (s *Store) Check(ctx context.Context) error {
	return s.change(ctx, func(*contents) error { return nil })
}
