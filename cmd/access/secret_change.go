package access

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
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
	text, err := a.AskSecret(ctx, "Secret (hexadecimal)")
	if err != nil {
		return webhook.Secret{}, err
	}
	s, err := webhook.ParseSecret(strings.TrimSpace(text))
	if err != nil {
		return webhook.Secret{}, cli.Usagef("invalid secret: %w", err)
	}
	return s, nil
}

func newSecretForgetCmd(a *cli.App) *cobra.Command {
	yes, old := false, false
	cmd := &cobra.Command{
		Use:         "forget [ID]",
		Annotations: cli.PrintsID(),
		Short:       "Delete a stored webhook secret",
		Long: `Delete the stored secret of a webhook. It may be the only copy, so the command
asks for confirmation on a terminal, and otherwise requires --yes. With --old,
delete only the earlier secrets and keep the current one, to finish a rotation;
this needs no confirmation.`,
		Example:           "  mender-webhooks secret forget 3bb0e41e --yes\n  mender-webhooks secret forget --old",
		Args:              cli.Args(0, 1, "at most one id"),
		ValidArgsFunction: completeStored(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSecretForget(cmd.Context(), a, cli.FirstOf(args), yes, old)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "skip the confirmation prompt")
	cmd.Flags().BoolVar(&old, "old", false, "delete only the earlier secrets, and keep the current one")
	return cmd
}

func runSecretForget(ctx context.Context, a *cli.App, arg string, yes, old bool) error {
	if err := a.CheckConfirm(yes || old); err != nil {
		return err
	}
	set, err := a.LocalSettings()
	if err != nil {
		return err
	}
	info, err := findStored(a, set, arg)
	if err != nil {
		return err
	}
	if old {
		if err := a.Store(set).ForgetOld(ctx, info.Key); err != nil {
			return err
		}
		a.Say("deleted the old secrets of webhook %s; only the current one is stored", info.Name)
		return nil
	}
	if !yes {
		question := fmt.Sprintf("Delete the secret of webhook %s on %s? Mender cannot show it again.", info.Name, info.Server)
		if err := a.Confirm(ctx, question); err != nil {
			return err
		}
	}
	if err := a.Store(set).Delete(ctx, info.Key); err != nil && !errors.Is(err, secret.ErrNotFound) {
		return err
	}
	a.Say("deleted the secret of webhook %s", info.Name)
	return nil
}
