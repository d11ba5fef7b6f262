package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// newSecretFlags are the flags of the commands that set a secret on the
// server.
type newSecretFlags struct {
	secretFlags
	generated bool
	out       string
	show      bool
	none      bool
}

func (s *newSecretFlags) register(f *pflag.FlagSet) {
	s.flags = f
	config.RegisterSecretFlags(f, true)
	f.StringVar(&s.out, "secret-out", "", "write the generated secret to a new `FILE` (mode 0600)")
	f.BoolVar(&s.show, "show-secret", false, "show the generated secret, on a terminal only")
	f.BoolVar(&s.none, "no-secret", false, "leave the deliveries unsigned")
}

// resolve returns the secret to set, or none. It writes nothing yet.
func (s *newSecretFlags) resolve(a *app) (webhook.Secret, error) {
	in := s.input(a)
	if s.none {
		in.LookupEnv = nil // it says: no secret, whatever the environment has
	}
	found, err := config.ResolveSecret(in)
	if err != nil {
		return webhook.Secret{}, err
	}
	s.generated = found.Source == config.SourceGenerated
	switch {
	case s.none && !found.Secret.IsZero():
		return webhook.Secret{}, usagef("--no-secret does not go together with a secret")
	case !s.generated && (s.out != "" || s.show):
		return webhook.Secret{}, usagef("--secret-out and --show-secret are for --generate-secret")
	case s.show && !isTerminal(a.err):
		return webhook.Secret{}, hinted(usagef("--show-secret needs a terminal: elsewhere the secret would end up in a log"), "use --secret-out FILE")
	case s.generated && s.out == "" && !s.show:
		return webhook.Secret{}, hinted(usagef("nobody would know the generated secret"), "add --secret-out FILE, or --show-secret on a terminal")
	}
	return found.Secret, nil
}

// keep writes a generated secret where it was asked for, before anything is
// sent: a secret that can't be kept must not be set. It never overwrites.
func (s *newSecretFlags) keep(_ *app, secret webhook.Secret) error {
	if s.out == "" {
		return nil
	}
	f, err := os.OpenFile(s.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return hinted(usagef("--secret-out %s: the file exists, and it may hold a secret that is in use", s.out), "name a new file")
	}
	if err != nil {
		return usagef("--secret-out: %w", err)
	}
	_, err = fmt.Fprintln(f, secret.Hex())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(s.out)
		return usagef("--secret-out: %w", err)
	}
	return nil
}

// afterFailure takes back what keep wrote where the server certainly did not
// take the secret. Otherwise the file may be the only copy of a secret in use.
func (s *newSecretFlags) afterFailure(_ *app, err error) error {
	if s.out == "" {
		return err
	}
	var api *mender.Error
	if errors.As(err, &api) && api.StatusCode >= 400 && api.StatusCode < 500 {
		_ = os.Remove(s.out)
		return err
	}
	return hinted(err, "the server may have taken the new secret all the same: it is kept in %s; look with `mender-webhooks list`", s.out)
}

// tell shows the generated secret where it was asked for.
func (s *newSecretFlags) tell(a *app, secret webhook.Secret) {
	if s.generated && s.show {
		fmt.Fprintf(a.err, "secret: %s\n", secret.Hex())
	}
	if s.out != "" {
		a.say("the secret is in %s (fingerprint %s)", s.out, secret.Fingerprint())
	}
}
