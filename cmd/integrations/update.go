package integrations

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

type updateOptions struct {
	url    string
	secret newSecretFlags
}

// NewUpdateCmd returns the update command.
func NewUpdateCmd(a *cli.App) *cobra.Command {
	o := updateOptions{}
	cmd := &cobra.Command{
		Use:   "update [ID]",
		Short: "Give a webhook a new URL or a new secret",
		Long: `Give a webhook a new URL, a new secret, or both. The server replaces URL and
secret together and never tells the secret: a new URL alone would take the
secret away without a word. Where one is set, --url therefore needs the secret
again, or --no-secret; a secret that is kept on this machine is found by itself,
and a new one is kept there (--no-store does without).

--rotate-secret changes the secret without losing events: the new one is first
written where listen reads it (the store or, with --secret-out FILE, into the
file that has the old one), and then set on the server. listen takes both, and
says which one matched; ` + "`secret forget --old`" + ` ends it.

Nothing else of an integration can be changed on the server: a new description
or scope means delete and create.

ID is an id, the beginning of one, or the webhook's URL; without it the
organization's only webhook is meant.`,
		Example: `  mender-webhooks update --url https://example.com/new --secret-file hook.secret
  mender-webhooks update --generate-secret
  mender-webhooks update --rotate-secret
  mender-webhooks update --rotate-secret --no-store --secret-out hook.secret
  mender-webhooks update --url https://example.com/new --no-secret`,
		Args:              cli.Args(0, 1, "at most one id"),
		ValidArgsFunction: a.CompleteIntegrations,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runUpdate(cmd.Context(), a, o, cli.FirstOf(args))
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.url, "url", "", "the `URL` to which Mender shall POST the events from now on")
	o.secret.register(f)
	f.BoolVar(&o.secret.rotate, "rotate-secret", false, "make a new secret, and keep the old one beside it until secret forget --old")
	return cmd
}

func runUpdate(ctx context.Context, a *cli.App, o updateOptions, arg string) error {
	p, err := a.IDPrinter()
	if err != nil {
		return err
	}
	if o.url != "" {
		if err := cli.CheckURL("--url", o.url); err != nil {
			return err
		}
	}
	set, err := a.Settings()
	if err != nil {
		return err
	}
	secret, err := o.secret.resolve(a)
	if err != nil {
		return err
	}
	if o.url == "" && secret.IsZero() && !o.secret.none {
		return cli.Hinted(cli.Usagef("nothing to change"), "give --url, a secret, or --no-secret")
	}
	client, err := a.Client(set)
	if err != nil {
		return err
	}
	i, err := cli.FindIntegration(ctx, client, arg)
	if err != nil {
		return err
	}
	if i.Provider != mender.ProviderWebhook || i.Credentials.HTTP == nil {
		return cli.Usagef("integration %s is of provider %s, not a webhook: a URL and a secret would break it", i.ID, i.Provider)
	}
	again := i.Credentials.HasSecret() && secret.IsZero() && !o.secret.none
	if again {
		if secret, err = o.secretAgain(ctx, a, set, i.ID); err != nil {
			return err
		}
	}
	if o.url == "" {
		o.url = i.Credentials.HTTP.URL
	} else {
		a.WarnAboutReceiver(ctx, o.url)
	}
	change, err := o.secret.keepUpdated(ctx, a, set, i.ID, secret, again)
	if err != nil {
		return err
	}
	if err := errors.Join(o.secret.letListenersSee(ctx), o.secret.forgetApplied(ctx, a, set, i.ID)); err != nil {
		return change.putBack(ctx, o.secret.unkept(err))
	}
	if err := client.ReplaceCredentials(ctx, i.ID, mender.HTTP(o.url, secret.Hex())); err != nil {
		return change.undo(ctx, o.secret.afterFailure(err))
	}
	kept := change.finish(ctx)
	o.secret.tell(a, secret, change.saved)
	o.secret.tellOld(a, change)
	o.secret.noteApplied(ctx, a, set, i.ID, secret)
	return cli.Also(finishUpdate(ctx, a, p, client, i.ID), kept)
}

// secretAgain is the secret to send along with a new URL: the server replaces
// both together.
func (o updateOptions) secretAgain(ctx context.Context, a *cli.App, set *config.Settings, id string) (webhook.Secret, error) {
	if !o.secret.noStore {
		kept, err := a.KeptSecret(ctx, set, id)
		if err != nil {
			return webhook.Secret{}, err
		}
		if !kept.IsZero() {
			a.Say("the secret stays the one kept on this machine (fingerprint %s)", kept.Fingerprint())
			return kept, nil
		}
	}
	return webhook.Secret{}, cli.Hinted(cli.Usagef("a new URL alone would take the webhook's secret away: the server replaces both together, and does not tell the old one"),
		"give the secret again (--secret-file FILE), a new one (--generate-secret), or --no-secret")
}

func finishUpdate(ctx context.Context, a *cli.App, p *output.Printer, client *mender.Client, id string) error {
	updated, err := client.Integration(ctx, id)
	if err != nil {
		return cli.Hinted(err, "the update itself went through")
	}
	if !updated.Credentials.HasSecret() {
		a.Warn("deliveries are unsigned now: anyone who knows the URL can forge them")
	}
	return p.Print(output.View{Value: updated, Names: []string{id}})
}
