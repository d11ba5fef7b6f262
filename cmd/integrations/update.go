package integrations

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
)

type updateOptions struct {
	url    string
	secret newSecretFlags
}

// NewUpdateCmd returns the update command.
func NewUpdateCmd(a *cli.App) *cobra.Command {
	o := updateOptions{}
	cmd := &cobra.Command{
		Use:         "update [ID]",
		Annotations: cli.PrintsID(),
		Short:       "Change the URL or the secret of a webhook",
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
		PreRunE:           newSecretRules().Check,
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
	p, err := a.Printer()
	if err != nil {
		return err
	}
	if o.url != "" {
		if err := cli.CheckURL("--url", o.url); err != nil {
			return err
		}
	}
	if _, err := a.Settings(); err != nil {
		return err
	}
	w := provision.Webhook{URL: o.url}
	if err := o.secret.resolve(ctx, a, &w); err != nil {
		return err
	}
	if o.url == "" && w.Secret.IsZero() && !o.secret.none {
		return cli.Hinted(cli.Usagef("nothing to change"), "give --url, a secret, or --no-secret")
	}
	e, err := newEngine(a, o.secret.noStore, provision.Options{})
	if err != nil {
		return err
	}
	i, err := a.FindWebhook(ctx, e.client, arg)
	if err != nil {
		return err
	}
	plan, err := e.UpdatePlan(ctx, i, w)
	if err != nil {
		return err
	}
	if o.url != "" {
		a.WarnAboutReceiver(ctx, o.url)
	}
	if again := plan.Steps[0].SecretUnchanged; again != "" {
		a.Say("the secret stays the one kept on this machine (fingerprint %s)", again)
	}
	done, err := e.one(ctx, plan)
	if !done.Done {
		return err
	}
	o.secret.tell(a, w, done)
	o.secret.tellOld(a, done)
	return cli.Also(finishUpdate(ctx, a, p, e.client, i.ID), unkept(err, "the update itself went through"))
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
