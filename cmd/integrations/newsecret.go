package integrations

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// newSecretFlags are the flags of the commands that set a secret on the
// server.
type newSecretFlags struct {
	cli.SecretFlags
	generated bool
	out       string
	show      bool
	none      bool
	noStore   bool

	// rotate keeps the old secret beside the new one; outUndo
	// takes the new one out of the --secret-out file that has the old one.
	rotate  bool
	outUndo func() error
}

func (s *newSecretFlags) register(f *pflag.FlagSet) {
	s.Flags = f
	config.RegisterSecretFlags(f, true)
	f.StringVar(&s.out, "secret-out", "", "write the generated secret to a new `FILE` (mode 0600)")
	f.BoolVar(&s.show, "show-secret", false, "show the generated secret, on a terminal only")
	f.BoolVar(&s.none, "no-secret", false, "leave the deliveries unsigned")
	f.BoolVar(&s.noStore, "no-store", false, "do not keep the secret on this machine")
}

// resolve returns the secret to set, or none. It writes nothing yet.
func (s *newSecretFlags) resolve(a *cli.App) (webhook.Secret, error) {
	in := s.Input(a)
	if s.none || s.rotate {
		in.LookupEnv = nil // it says: no secret, or another, whatever the environment has
	}
	found, err := config.ResolveSecret(in)
	if err != nil {
		return webhook.Secret{}, err
	}
	if s.rotate && !s.none && found.Source == config.SourceNone {
		found.Secret, found.Source = webhook.GenerateSecret(), config.SourceGenerated
	}
	s.generated = found.Source == config.SourceGenerated
	switch {
	case s.none && !found.Secret.IsZero():
		return webhook.Secret{}, cli.Usagef("--no-secret does not go together with a secret")
	case s.none && s.rotate:
		return webhook.Secret{}, cli.Usagef("--no-secret does not go together with --rotate-secret")
	case !s.generated && (s.out != "" || s.show):
		return webhook.Secret{}, cli.Usagef("--secret-out and --show-secret are for --generate-secret")
	case s.show && !cli.IsTerminal(a.Err):
		return webhook.Secret{}, cli.Hinted(cli.Usagef("--show-secret needs a terminal: elsewhere the secret would end up in a log"), "use --secret-out FILE")
	case s.generated && s.noStore && s.out == "" && !s.show:
		return webhook.Secret{}, cli.Hinted(cli.Usagef("nobody would know the generated secret"), "leave --no-store out, or add --secret-out FILE, or --show-secret on a terminal")
	}
	if n := len(found.Secret.Hex()) / 2; n > 0 && n < shortSecret {
		a.Warn("a secret of %s can be guessed by trying; --generate-secret makes one of %d", cli.Plural(n, "byte"), webhook.GeneratedSecretSize)
	}
	return found.Secret, nil
}

// shortSecret is the number of bytes below which a secret draws a warning.
const shortSecret = 16

// keep writes a generated secret where it was asked for, and makes sure of the
// store, before anything is sent: a secret that can't be kept must not be set.
// It never overwrites a file.
func (s *newSecretFlags) keep(ctx context.Context, a *cli.App, set *config.Settings, hook webhook.Secret) error {
	if s.stores(hook) {
		if err := a.CheckStore(ctx, set); err != nil {
			return cli.Hinted(err, "%s", s.storeHint(err))
		}
	}
	if s.out == "" {
		return nil
	}
	if s.rotate {
		if done, err := s.keepBeside(hook); done || err != nil {
			return err
		}
	}
	f, err := os.OpenFile(s.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return cli.Hinted(cli.Usagef("--secret-out %s: the file exists, and it may hold a secret that is in use", s.out), "name a new file")
	}
	if err != nil {
		return cli.Usagef("--secret-out: %w", err)
	}
	_, err = fmt.Fprintln(f, hook.Hex())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(s.out)
		return cli.Usagef("--secret-out: %w", err)
	}
	return nil
}

// stores reports whether the secret goes into the store.
func (s *newSecretFlags) stores(hook webhook.Secret) bool { return !s.noStore && !hook.IsZero() }

func (s *newSecretFlags) origin() secret.Origin {
	if s.generated {
		return secret.Generated
	}
	return secret.Given
}

// storeHint is the next step where the store fails.
func (s *newSecretFlags) storeHint(err error) string {
	hint := "--no-store does without the store"
	if s.generated && s.out == "" {
		hint += ", with --secret-out FILE for the generated secret"
	}
	var broken *secret.Error
	if errors.As(err, &broken) && broken.Hint != "" {
		hint = broken.Hint + "; or " + hint
	}
	return hint
}

// afterFailure takes back what keep wrote where the server certainly did not
// take the secret. Otherwise the file may be the only copy of a secret in use.
func (s *newSecretFlags) afterFailure(err error) error {
	if s.out == "" {
		return err
	}
	if certainlyRefused(err) {
		s.takeBack()
		return err
	}
	return cli.Hinted(err, "the server may have taken the new secret all the same: it is kept in %s; look with `mender-webhooks list`", s.out)
}

// certainlyRefused reports whether the server said no.
func certainlyRefused(err error) bool {
	var api *mender.Error
	return errors.As(err, &api) && api.StatusCode >= 400 && api.StatusCode < 500
}

// tell shows the generated secret where it was asked for, and says where it is.
func (s *newSecretFlags) tell(a *cli.App, hook webhook.Secret, saved *secret.Saved) {
	if s.generated && s.show {
		fmt.Fprintf(a.Err, "secret: %s\n", hook.Hex())
	}
	if s.out != "" {
		a.Say("the secret is in %s (fingerprint %s)", s.out, hook.Fingerprint())
	}
	if saved != nil {
		a.Say("the secret (fingerprint %s) is kept in %s", hook.Fingerprint(), saved)
	}
}
