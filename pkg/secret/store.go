package secret

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
)

// Options is how a Store works. File alone has to be given.
type Options struct {
	// File is the path of the store's file; config.Settings.SecretsFile.
	File string
	// NoKeyring puts secrets into the file. What is in the keyring already
	// is still found and forgotten.
	NoKeyring bool
	// Keyring is the keyring to use; nil means the system's.
	Keyring SystemKeyring
	// KeyringTimeout is how long the keyring has to answer; 0 means
	// KeyringTimeout.
	KeyringTimeout time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Store keeps secrets. It is safe for use by several goroutines, and beside
// other processes. An error may have a hint (see pkg/fault), and never holds a
// secret.
type Store struct {
	path      string
	noKeyring bool
	keyring   *timed
	now       func() time.Time
	mu        sync.Mutex // one change at a time
}

// New returns a Store. Nothing is read or made before it is used.
func New(o Options) *Store {
	if o.Keyring == nil {
		o.Keyring = system{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Store{
		path: o.File, noKeyring: o.NoKeyring, now: o.Now,
		keyring: &timed{keyring: o.Keyring, limit: cmp.Or(o.KeyringTimeout, KeyringTimeout)},
	}
}

// Get returns a secret. The error wraps ErrNotFound where it is not kept; it
// has a hint where the keyring that has it does not give it out.
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
		return Entry{}, fmt.Errorf("%s is %w: it has been removed from the system's keyring", k, ErrNotFound)
	case err != nil:
		return Entry{}, keyringError(k, err)
	}
	return Entry{Info: r.Info, Value: found.Value, Old: found.Old}, nil
}

func keyringError(k Key, err error) error {
	return fault.WithHint(fmt.Errorf("%s is in the system's keyring, which can't be used: %w", k, err),
		"unlock the keyring; or keep it in a file with --no-keyring")
}

// Set keeps a secret, instead of the one that has the same key, and says
// where. Its Stored and Place are the store's to fill in.
func (s *Store) Set(ctx context.Context, e Entry) (Saved, error) {
	if e.Value == "" || e.Kind == Applied {
		return Saved{}, fmt.Errorf("%s can't be kept: it is empty, or no secret", e.Key)
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

// undo takes out of the keyring what the file could not be told of, unless
// the file knew of another such secret before.
func (s *Store) undo(ctx context.Context, k Key) error {
	if c, err := s.load(); err == nil && c.find(k) < 0 {
		return s.keyring.delete(ctx, k)
	}
	return nil
}

// put prefers the keyring. It leaves the secret in one place alone, as far as
// the keyring lets it.
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
			return saved, err // given up is not the same as no keyring
		}
	}
	if saved.Place == File {
		r.item = whole
		if i := c.find(e.Key); i >= 0 && c.Entries[i].Place == Keyring {
			_ = s.keyring.delete(ctx, e.Key) // the file goes first from here on
		}
	}
	r.Place = saved.Place
	c.put(r)
	return saved, nil
}

// Rotate keeps a new webhook secret, and those before it as old ones, so that
// a receiver takes all of them until ForgetOld. A secret that is there already
// stays where it is.
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

// ForgetOld ends a change of secrets: the newest one alone stays.
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

// Delete forgets a secret. The error wraps ErrNotFound where it is not kept.
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

// List says which secrets of a kind are kept, by server and name, without
// asking the keyring.
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

// Check finds out whether the store can keep a secret, by writing it anew as
// it is: before something is sent that can't be taken back.
func (s *Store) Check(ctx context.Context) error {
	return s.change(ctx, func(*contents) error { return nil })
}
