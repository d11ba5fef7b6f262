package cmd

import (
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
	files, _ := s.flags.GetStringArray(config.FlagSecretFile) // the flag is there
	return slices.Contains(files, "-")
}

func (s *secretFlags) input(a *app) config.Input {
	return config.Input{Flags: s.flags, LookupEnv: a.env, Stdin: a.in}
}

// one returns the one secret to sign with, or none.
func (s *secretFlags) one(a *app) (webhook.Secret, error) {
	found, err := config.ResolveSecret(s.input(a))
	return found.Secret, err
}

// all returns every secret to check against, or none.
func (s *secretFlags) all(a *app) ([]webhook.Secret, error) {
	found, err := config.ResolveSecrets(s.input(a))
	secrets := make([]webhook.Secret, len(found))
	for i, f := range found {
		secrets[i] = f.Secret
	}
	return secrets, err
}

// reloading is all for a receiver that runs on: files are read again when
// they change, so that a secret can be changed without losing events.
func (s *secretFlags) reloading(a *app) (func() []webhook.Secret, error) {
	found, err := config.ResolveSecrets(s.input(a))
	if err != nil {
		return nil, err
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
