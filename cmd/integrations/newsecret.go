package integrations

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// newSecretFlags are the flags of commands that set a secret on the server.
type newSecretFlags struct {
	cli.SecretFlags
	out     string
	show    bool
	none    bool
	noStore bool
	rotate  bool // only for update
	// ephemeral is set if the secret is only for the run of a command, which gets it.
	ephemeral bool
}

func (s *newSecretFlags) register(f *pflag.FlagSet) {
	s.Flags = f
	config.RegisterSecretFlags(f, true)
	f.StringVar(&s.out, "secret-out", "", "write the generated secret to a new `FILE` (mode 0600)")
	f.BoolVar(&s.show, "show-secret", false, "print the generated secret, only on a terminal")
	f.BoolVar(&s.none, "no-secret", false, "leave deliveries unsigned")
	f.BoolVar(&s.noStore, "no-store", false, "do not store the secret on this machine")
}

// newSecretRules returns the rules for the secret flags of create and update.
func newSecretRules() cli.Rules {
	return cli.Rules{
		Against: map[string][]string{
			"no-secret":       {"secret", "secret-file", "generate-secret", "rotate-secret"},
			"generate-secret": {"secret", "secret-file"},
			"secret":          {"secret-file"},
		},
		Needs: map[string][]string{
			"secret-out":  {"generate-secret", "rotate-secret"},
			"show-secret": {"generate-secret", "rotate-secret"},
		},
	}
}

// shortSecret is the length in bytes below which commands warn about a secret.
const shortSecret = 16

// resolve sets the webhook's secret as the flags request it. It does not write the
// secret anywhere yet.
func (s *newSecretFlags) resolve(ctx context.Context, a *cli.App, w *provision.Webhook) error {
	in := s.Input(a)
	if s.none || s.rotate {
		in.LookupEnv = nil // the flag overrides the environment
	}
	found, err := cli.Interruptible(ctx, func() (config.WebhookSecret, error) { return config.ResolveSecret(in) })
	if err != nil {
		return err
	}
	if (s.rotate || s.ephemeral) && !s.none && found.Source == config.SourceNone {
		found.Secret, found.Source = webhook.GenerateSecret(), config.SourceGenerated
	}
	generated := found.Source == config.SourceGenerated
	switch {
	case !generated && (s.out != "" || s.show):
		return cli.Usagef("--secret-out and --show-secret require --generate-secret")
	case s.show && !cli.IsTerminal(a.Err):
		return cli.Hinted(cli.Usagef("--show-secret requires a terminal: elsewhere the secret would end up in a log"), "pass --secret-out FILE")
	case generated && s.noStore && s.out == "" && !s.show && !s.ephemeral:
		return cli.Hinted(cli.Usagef("--no-store would discard the generated secret"), "leave out --no-store, or pass --secret-out FILE, or --show-secret on a terminal")
	}
	if n := len(found.Secret.Hex()) / 2; n > 0 && n < shortSecret {
		a.Warn("a secret of %s is short enough to guess; --generate-secret generates one of %d bytes", cli.Plural(n, "byte"), webhook.GeneratedSecretSize)
	}
	w.Secret, w.NoSecret, w.Generated, w.Rotate, w.Out = found.Secret, s.none, generated, s.rotate, s.out
	return nil
}

// report says where the secret is stored or saved, and prints it if requested.
func (s *newSecretFlags) report(a *cli.App, w provision.Webhook, done provision.Step) {
	if s.show {
		fmt.Fprintf(a.Err, "secret: %s\n", w.Secret.Hex())
	}
	if s.out != "" {
		a.Say("the secret is in %s (fingerprint %s)", s.out, done.Fingerprint())
	}
	if done.Place != "" {
		a.Say("the secret (fingerprint %s) is stored in %s", done.Fingerprint(), done.Place)
	}
}

// listenFlags returns the flags with which listen knows the secret.
func (s *newSecretFlags) listenFlags(done provision.Step) string {
	switch file := config.SecretFiles(s.Flags); {
	case s.none:
		return " --allow-unchecked"
	case s.out != "":
		return " --secret-file " + s.out
	case done.Place != "":
		return ""
	case len(file) == 1 && file[0] != "-":
		return " --secret-file " + file[0]
	}
	return " --secret-file FILE"
}

// reportOld reports where the old secret remains after a rotation.
func (s *newSecretFlags) reportOld(a *cli.App, done provision.Step) {
	if !s.rotate {
		return
	}
	switch {
	case done.BesideFile:
		a.Say("the old secret is still in %s: remove its line once deliveries are signed with the new one", s.out)
	case done.BesideStored:
		a.Say("the old secret is still stored, too; run `mender-webhooks secret forget --old` to delete it")
	default:
		a.Warn("the old secret is not stored on this machine, so listen accepts only the new one: deliveries in progress may be rejected")
	}
	if _, set := a.Env(config.EnvWebhookSecret); set {
		a.Warn("%s is set: a listener with this variable does not read the store, and needs the new secret", config.EnvWebhookSecret)
	}
}
