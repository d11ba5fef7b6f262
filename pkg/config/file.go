package config

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/privatefile"
)

// lockWait limits how long an edit waits for an edit by another process.
const lockWait = 10 * time.Second

// ErrNotSet reports that a profile, or a setting in it, is not in the file.
var ErrNotSet = errors.New("not set")

// File reads and edits a config file. It ignores flags and the environment, so an edit
// never saves their values. Edits preserve comments, are atomic, and are serialized
// across processes. A new file has mode 0600, in a folder with mode 0700.
type File struct{ path string }

// NewFile returns the config file at a path; ConfigFile returns the path to use. The
// file need not exist.
func NewFile(path string) File { return File{path: path} }

// Path returns the path of the file.
func (f File) Path() string { return f.path }

// Profile is a profile of the file.
type Profile struct {
	Name string `json:"name" yaml:"name"`
	// Current reports whether it is the default profile.
	Current bool `json:"current" yaml:"current"`
	// Values are the settings in the order of the file, with a placeholder for tokens.
	Values []Value `json:"values" yaml:"values"`
}

// Profiles returns the profiles in the order of the file, or none if the file does not
// exist. An invalid file is a usage error.
func (f File) Profiles() ([]Profile, error) {
	d, err := readDocument(f.path)
	if err != nil {
		return nil, err
	}
	profiles := make([]Profile, 0, len(d.names))
	for _, name := range d.names {
		p := Profile{Name: name, Current: name == d.current, Values: []Value{}}
		for _, e := range d.entries[name] {
			if k, _ := profileKey(e.key); k.Secret {
				e.text = hidden
			}
			p.Values = append(p.Values, Value{Key: e.key, Text: e.text, Source: SourceProfile,
				From: fmt.Sprintf("%s:%d", f.path, e.line)})
		}
		profiles = append(profiles, p)
	}
	return profiles, nil
}

// Get returns a setting of a profile, including the token. It returns an error that
// wraps ErrNotSet if the profile does not have it, and a usage error if the setting does
// not exist.
func (f File) Get(profile, key string) (string, error) {
	if _, err := knownKey(key); err != nil {
		return "", err
	}
	d, err := readDocument(f.path)
	if err != nil {
		return "", err
	}
	e, ok := d.entry(profile, key)
	if !ok {
		return "", fmt.Errorf("%s of profile %s: %w in %s", key, profile, ErrNotSet, f.path)
	}
	return e.text, nil
}

// Set changes a setting of a profile, and creates the profile if it does not exist. The
// first profile of a file becomes the default. An invalid setting or value is a usage
// error, and so is a token in a file that others can read.
func (f File) Set(ctx context.Context, profile, key, value string) error {
	k, err := knownKey(key)
	if err != nil {
		return err
	}
	if _, err := checkLine(profile); err != nil {
		return usagef("", "invalid profile name %q: %v", profile, err)
	}
	text, err := k.check(value)
	if err != nil {
		return usagef("", "invalid %s: %v", key, err)
	}
	return f.edit(ctx, func(d *document) error { return d.set(profile, key, text) })
}

// Unset removes a setting from a profile or, without a key, the whole profile. It
// returns an error that wraps ErrNotSet if there is nothing to remove.
func (f File) Unset(ctx context.Context, profile, key string) error {
	if key != "" {
		if _, err := knownKey(key); err != nil {
			return err
		}
	}
	return f.edit(ctx, func(d *document) error {
		if _, ok := d.entry(profile, key); !d.has(profile) || (key != "" && !ok) {
			return fmt.Errorf("profile %s: %w in %s", joinKey(profile, key), ErrNotSet, f.path)
		}
		return d.unset(profile, key)
	})
}

// Use selects the default profile. It is a usage error if the profile does not exist.
func (f File) Use(ctx context.Context, profile string) error {
	return f.edit(ctx, func(d *document) error {
		if err := d.known(profile); err != nil {
			return err
		}
		return d.use(profile)
	})
}

// Rename renames a profile; the default profile follows. It is a usage error if the
// profile does not exist or the new name is invalid, and a conflict if a profile has the
// new name already.
func (f File) Rename(ctx context.Context, from, to string) error {
	if _, err := checkLine(to); err != nil {
		return usagef("", "invalid profile name: %v", err)
	}
	return f.edit(ctx, func(d *document) error {
		if err := d.known(from); err != nil {
			return err
		}
		if d.has(to) {
			return fault.WithHint(fault.New(fault.Conflict, "profile %q exists already in %s", to, f.path),
				"choose another name, or remove that profile with `mender-webhooks config unset --all --profile NAME`")
		}
		return d.rename(from, to)
	})
}

func joinKey(profile, key string) string {
	if key == "" {
		return profile
	}
	return profile + ", " + key
}

func knownKey(name string) (Key, error) {
	k, ok := profileKey(name)
	if !ok {
		return Key{}, usagef("run `mender-webhooks config --help` for the settings", "unknown setting %q%s", name, didYouMean(name, ProfileKeys()))
	}
	return k, nil
}

// edit changes the file under a lock. The new text is parsed and checked before it is
// written.
func (f File) edit(ctx context.Context, change func(*document) error) error {
	if f.path == "" {
		return usagef("pass --config FILE", "no config file: the home folder is unknown")
	}
	path, err := privatefile.Resolve(f.path)
	if err != nil {
		return fmt.Errorf("edit the config file: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("create the folder of the config file: %w", err)
	}
	unlock, err := lock(ctx, path)
	if err != nil {
		return err
	}
	defer unlock()
	d, err := readDocument(path)
	if err != nil {
		return err
	}
	if err := change(d); err != nil {
		return err
	}
	text := d.render()
	again := &document{path: f.path, entries: map[string][]entry{}}
	if err := again.parse(text); err != nil {
		return fmt.Errorf("cannot change %s automatically because of its layout; edit it by hand: %w", f.path, err)
	}
	mode := fs.FileMode(0o600)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode()
	}
	if err := again.checkMode(mode); err != nil {
		return err
	}
	if err := privatefile.Write(path, text); err != nil {
		return fmt.Errorf("write the config file: %w", err)
	}
	return nil
}

func lock(ctx context.Context, path string) (unlock func(), err error) {
	l := flock.New(path+".lock", flock.SetPermissions(0o600))
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	if _, err := l.TryLockContext(ctx, 5*time.Millisecond); err != nil {
		return nil, fmt.Errorf("lock the config file against other processes (%s): %w", l.Path(), err)
	}
	return func() { _ = l.Unlock() }, nil // the lock also ends with the process
}
