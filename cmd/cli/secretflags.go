package cli

import (
	"context"
	"os"
	"slices"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// SecretFlags are the flags that provide existing webhook secrets.
type SecretFlags struct{ Flags *pflag.FlagSet }

// Register adds the flags to f.
func (s *SecretFlags) Register(f *pflag.FlagSet) {
	s.Flags = f
	config.RegisterSecretFlags(f, false)
}

// FromStdin reports whether a secret is read from stdin.
func (s *SecretFlags) FromStdin() bool {
	return slices.Contains(config.SecretFiles(s.Flags), "-")
}

// Input returns the sources of secrets: flags, environment and stdin.
func (s *SecretFlags) Input(a *App) config.Input {
	return config.Input{Flags: s.Flags, LookupEnv: a.Env, Stdin: a.In}
}

// Given returns the secret from the flags or the environment, or none.
func (s *SecretFlags) Given(ctx context.Context, a *App) (webhook.Secret, error) {
	found, err := Interruptible(ctx, func() (config.WebhookSecret, error) { return config.ResolveSecret(s.Input(a)) })
	return found.Secret, err
}

// One returns the secret to sign with, or none. It looks in the flags and the
// environment first, then in the store.
func (s *SecretFlags) One(ctx context.Context, a *App) (webhook.Secret, error) {
	secret, err := s.Given(ctx, a)
	if err != nil || !secret.IsZero() {
		return secret, err
	}
	return a.storedToSign(ctx)
}

// All returns the secrets to check signatures against, or none. It looks in the flags
// and the environment first, then in the store.
func (s *SecretFlags) All(ctx context.Context, a *App) ([]webhook.Secret, error) {
	found, err := Interruptible(ctx, func() ([]config.WebhookSecret, error) { return config.ResolveSecrets(s.Input(a)) })
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		set, err := a.LocalSettings()
		if err != nil {
			return nil, err
		}
		secrets, infos, err := a.storedSecrets(ctx, set)
		a.sayStored(secrets, infos)
		return secrets, err
	}
	secrets := make([]webhook.Secret, len(found))
	for i, f := range found {
		secrets[i] = f.Secret
	}
	return secrets, nil
}

// Reloading returns a function that returns the current secrets. It is for receivers:
// files and the store are read again when they change, so that a secret can be
// rotated without losing events.
func (s *SecretFlags) Reloading(ctx context.Context, a *App) (func() []webhook.Secret, error) {
	found, err := Interruptible(ctx, func() ([]config.WebhookSecret, error) { return config.ResolveSecrets(s.Input(a)) })
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return a.watchStored()
	}
	var fixed []webhook.Secret
	var files []string
	for _, f := range found {
		switch {
		case f.File == "" || !isRegular(f.File): // a pipe can be read only once
			fixed = append(fixed, f.Secret)
		case !slices.Contains(files, f.File):
			files = append(files, f.File)
		}
	}
	if len(files) == 0 {
		return func() []webhook.Secret { return fixed }, nil
	}
	loaded, err := a.WatchSecretFiles(files...)
	if err != nil {
		return nil, Usagef("--%s: %w", config.FlagSecretFile, err)
	}
	if len(fixed) == 0 {
		return loaded, nil
	}
	return func() []webhook.Secret { return slices.Concat(fixed, loaded()) }, nil
}

// WatchSecretFiles returns a function that returns the current secrets in files. They are
// read again when they change.
func (a *App) WatchSecretFiles(files ...string) (func() []webhook.Secret, error) {
	loaded, err := receiver.LoadSecretFiles(a.sayReload, files...)
	if err != nil {
		return nil, err
	}
	return loaded.Secrets, nil
}

// isRegular reports whether a path names a regular file, or one that cannot be examined.
func isRegular(path string) bool {
	info, err := os.Stat(path)
	return err != nil || info.Mode().IsRegular()
}

// Interruptible calls f, but returns early if ctx is done first, because a read from a
// FIFO without a writer never ends and cannot be interrupted.
func Interruptible[T any](ctx context.Context, f func() (T, error)) (T, error) {
	return interruptible(ctx.Done(), ctx.Err, f)
}

// whileWanted is like Interruptible, for callers without a context. It returns early if a
// signal arrives.
func whileWanted[T any](a *App, f func() (T, error)) (T, error) {
	return interruptible(a.Interrupted, func() error { return context.Canceled }, f)
}

func interruptible[T any](ended <-chan struct{}, why func() error, f func() (T, error)) (result T, err error) {
	done := make(chan struct{})
	var read T
	var readErr error
	go func() {
		defer close(done)
		read, readErr = f()
	}()
	select {
	case <-done:
		return read, readErr
	case <-ended:
		return result, why()
	}
}

func (a *App) sayReload(r receiver.Reload) {
	if r.Err != nil {
		a.Warn("cannot use the changed secrets in %s: %v; the previous ones stay in use", r.Path, r.Err)
		return
	}
	a.Say("%s changed: now checking against secret %s", r.Path, Joined(r.Fingerprints))
}
