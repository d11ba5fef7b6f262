package access

import (
	"context"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func newSecretSetCmd(a *cli.App) *cobra.Command {
	flags := cli.SecretFlags{}
	cmd := &cobra.Command{
		Use:         "set [ID]",
		Annotations: cli.PrintsID(),
		Short:       "Store a webhook secret that was set elsewhere",
		Long: `Store the secret of a webhook that was set up elsewhere, in the web UI or on
another machine. The secret comes from --secret-file, from
MENDER_WEBHOOK_SECRET, or from a prompt.

ID is an id, a prefix of it, or the webhook's URL; without it, the secret is
for the organization's only webhook. With a full id, this sends no request.`,
		Example: `  mender-webhooks secret set --secret-file hook.secret
  ssh admin mender-webhooks secret show | mender-webhooks secret set --secret-file -`,
		Args:              cli.Args(0, 1, "at most one id"),
		ValidArgsFunction: a.CompleteIntegrations,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSecretSet(cmd.Context(), a, flags, cli.FirstOf(args))
		},
	}
	cmd.Flags().SortFlags = false
	flags.Register(cmd.Flags())
	return cmd
}

func runSecretSet(ctx context.Context, a *cli.App, flags cli.SecretFlags, arg string) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	s, err := flags.Given(ctx, a)
	if err != nil {
		return err
	}
	if s.IsZero() {
		if s, err = askWebhookSecret(ctx, a); err != nil {
			return err
		}
	}
	set, err := a.LocalSettings()
	if err != nil {
		return err
	}
	id := strings.ToLower(arg)
	if !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(id) {
		client, connected, err := a.Connect()
		if err != nil {
			return err
		}
		set = connected
		i, err := a.FindWebhook(ctx, client, arg)
		if err != nil {
			return err
		}
		id = i.ID
	}
	account, err := a.Account(set)
	if err != nil {
		return err
	}
	saved, err := account.Set(ctx, id, s)
	if err != nil {
		return err
	}
	a.Say("stored the secret of webhook %s (fingerprint %s) in %s", id, s.Fingerprint(), saved)
	return p.Print(output.View{Value: map[string]string{"id": id, "server": set.Server}, Names: []string{id}})
}

func askWebhookSecret(ctx context.Context, a *cli.App) (webhook.Secret, error) {
	if !a.Interactive() {
		return webhook.Secret{}, cli.Hinted(cli.Usagef("secret required, but stdin is not a terminal"), "pass --secret-file FILE, or - for stdin")
	}
	text, err := a.Prompt().Secret(ctx, "Secret (hexadecimal)")
	if err != nil {
		return webhook.Secret{}, err
	}
	s, err := webhook.ParseSecret(strings.TrimSpace(text))
	if err != nil {
		return webhook.Secret{}, cli.Usagef("invalid secret: %w", err)
	}
	return s, nil
}
