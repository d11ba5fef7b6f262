package cmd

import (
	"context"
	"slices"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// secretFlags are the ways to name webhook secrets that exist already.
type secretFlags struct{ flags *pflag.FlagSet }

func (s *secretFlags) register(f *pflag.FlagSet) {
	s.flags = f
	config.RegisterSecretFlags(f, false)
}

// fromStdin reports whether a secret is read from stdin.
func (s *secretFlags) fromStdin() bool {
	return slices.Contains(config.SecretFiles(s.flags), "-")
}

func (s *secretFlags) input(a *app) config.Input {
	return config.Input{Flags: s.flags, LookupEnv: a.env, Stdin: a.in}
}

// given returns the one secret that flags or the environment give, or none.
func (s *secretFlags) given(a *app) (webhook.Secret, error) {
	found, err := config.ResolveSecret(s.input(a))
	return found.Secret, err
}

// one returns the one secret to sign with, or none: that which is given, else
// that which is kept on this machine.
func (s *secretFlags) one(ctx context.Context, a *app) (webhook.Secret, error) {
	secret, err := s.given(a)
	if err != nil || !secret.IsZero() {
		return secret, err
	}
	return a.keptToSign(ctx)
}

// all returns every secret to check against, or none: those that are given,
// else those that are kept for the server.
func (s *secretFlags) all(ctx context.Context, a *app) ([]webhook.Secret, error) {
	found, err := config.ResolveSecrets(s.input(a))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		set, err := a.localSettings()
		if err != nil {
			return nil, err
		}
		secrets, infos, err := a.keptForServer(ctx, set)
		a.sayKept(secrets, infos)
		return secrets, err
	}
	secrets := make([]webhook.Secret, len(found))
	for i, f := range found {
		secrets[i] = f.Secret
	}
	return secrets, nil
}

// reloading is all for a receiver that runs on: files and the store are read
// again when they change, so that a secret can be changed without losing
// events.
func (s *secretFlags) reloading(a *app) (func() []webhook.Secret, error) {
	found, err := config.ResolveSecrets(s.input(a))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		kept, err := a.liveKept()
		if err != nil {
			return nil, err
		}
		return kept.Secrets, nil
	}
	var fixed []webhook.Secret
	var files []string
	for _, f := range found {
		switch {
		case f.File == "":
			fixed = append(fixed, f.Secret)
		case !slices.Contains(files, f.File):
			files = append(files, f.File)
		}
	}
	if len(files) == 0 {
		return func() []webhook.Secret { return fixed }, nil
	}
	loaded, err := receiver.LoadSecretFiles(a.sayReload, files...)
	if err != nil {
		return nil, usagef("--%s: %w", config.FlagSecretFile, err)
	}
	if len(fixed) == 0 {
		return loaded.Secrets, nil
	}
	return func() []webhook.Secret { return slices.Concat(fixed, loaded.Secrets()) }, nil
}

func (a *app) sayReload(r receiver.Reload) {
	if r.Err != nil {
		a.warn("%s changed, and can't be used: %v; the secrets read before still count", r.Path, r.Err)
		return
	}
	a.say("%s changed: it holds the secrets %s now", r.Path, joined(r.Fingerprints))
}
