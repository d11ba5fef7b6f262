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
	dryRun bool
	secret newSecretFlags
}

// NewUpdateCmd returns the update command.
func NewUpdateCmd(a *cli.App) *cobra.Command {
	o := updateOptions{}
	cmd := &cobra.Command{
		Use:         "update [ID]",
		Annotations: cli.PrintsID(),
		Short:       "Change the URL or the secret of a webhook",
		Long: `Change the URL of a webhook, its secret, or both. The server replaces URL and
secret together and never returns the secret, so changing only the URL would
remove it. If a secret is set, --url therefore requires the secret again, or
--no-secret. update uses the secret stored on this machine if there is one, and
stores a new one unless you pass --no-store.

--rotate-secret changes the secret without losing events. It first writes the
new secret where listen reads it (the store or, with --secret-out FILE, the
file that contains the old one), and then sets it on the server. listen accepts
both secrets and reports which one matched. To drop the old secret, run
` + "`mender-webhooks secret forget --old`" + `.

The server cannot change anything else: for another description or scope, delete
the webhook and create a new one.

ID is an id, a unique prefix of one, or the webhook's URL. Without it, the
command uses the organization's only webhook.`,
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
	f.StringVar(&o.url, "url", "", "new `URL` to which Mender sends the events")
	o.secret.register(f)
	f.BoolVar(&o.secret.rotate, "rotate-secret", false, "generate a new secret, and keep the old one as well until you run secret forget --old")
	f.BoolVar(&o.dryRun, "dry-run", false, "show the plan without changing anything")
	return cmd
}

func runUpdate(ctx context.Context, a *cli.App, o updateOptions, arg string) error {
	p, err := printer(a, o.dryRun)
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
		return cli.Hinted(cli.Usagef("update requires a new URL or secret"), "pass --url, a secret, or --no-secret")
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
		a.Say("the secret remains the one stored on this machine (fingerprint %s)", again)
	}
	if o.dryRun {
		return finishDryRun(a, p, plan)
	}
	done, err := e.one(ctx, plan)
	if !done.Done {
		return err
	}
	a.Say("updated webhook %s on %s", i.ID, a.Where())
	o.secret.report(a, w, done)
	o.secret.reportOld(a, done)
	return cli.Also(finishUpdate(ctx, a, p, e.client, i.ID), unkept(err, "the webhook was updated"))
}

func finishUpdate(ctx context.Context, a *cli.App, p *output.Printer, client *mender.Client, id string) error {
	updated, err := client.Integration(ctx, id)
	if err != nil {
		return cli.Hinted(err, "the webhook was updated: run `mender-webhooks inspect %s` to check it", id)
	}
	if !updated.Credentials.HasSecret() {
		a.Warn("deliveries are unsigned now: anyone who knows the URL can forge them")
	}
	return p.Print(output.View{Value: updated, Names: []string{id}})
}
