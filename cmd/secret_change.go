package cmd

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func newSecretSetCmd(a *app) *cobra.Command {
	flags := secretFlags{}
	cmd := &cobra.Command{
		Use:   "set [ID]",
		Short: "Keep a webhook's secret that was set elsewhere",
		Long: `Keep the secret of a webhook that was set up elsewhere, in the web UI or on
another machine, so that it is found here. The secret comes from --secret-file,
from MENDER_WEBHOOK_SECRET, or is asked for on a terminal.

With a whole ID the server is not asked; otherwise ID is the beginning of one,
the webhook's URL, or left out for the only webhook.`,
		Example: `  mender-webhooks secret set --secret-file hook.secret
  ssh admin mender-webhooks secret show | mender-webhooks secret set --secret-file -`,
		Args:              args(0, 1, "at most one id"),
		ValidArgsFunction: a.completeIntegrations,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSecretSet(cmd.Context(), a, flags, firstOf(args))
		},
	}
	cmd.Flags().SortFlags = false
	flags.register(cmd.Flags())
	return cmd
}

func runSecretSet(ctx context.Context, a *app, flags secretFlags, arg string) error {
	p, err := a.idPrinter()
	if err != nil {
		return err
	}
	s, err := flags.given(a)
	if err != nil {
		return err
	}
	if s.IsZero() {
		if s, err = a.askWebhookSecret(ctx); err != nil {
			return err
		}
	}
	set, err := a.localSettings()
	if err != nil {
		return err
	}
	id := strings.ToLower(arg)
	if !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(id) {
		if set, err = a.settings(); err != nil {
			return err
		}
		client, err := a.client(set)
		if err != nil {
			return err
		}
		i, err := findIntegration(ctx, client, arg)
		if err != nil {
			return err
		}
		id = i.ID
	}
	saved, err := a.store(set).Set(ctx, secret.Entry{Info: secret.Info{Key: webhookKey(set, id), Origin: secret.Given}, Value: s.Hex()})
	if err != nil {
		return err
	}
	a.say("the secret of webhook %s (fingerprint %s) is kept in %s", id, s.Fingerprint(), saved)
	return p.Print(output.View{Value: map[string]string{"id": id, "server": set.Server}, Names: []string{id}})
}

func (a *app) askWebhookSecret(ctx context.Context) (webhook.Secret, error) {
	if !a.interactive() {
		return webhook.Secret{}, hinted(usagef("secret set needs the secret, and there is no terminal to ask on"), "give --secret-file FILE (- is stdin)")
	}
	text, err := a.askSecret(ctx, "Secret (hexadecimal)")
	if err != nil {
		return webhook.Secret{}, err
	}
	s, err := webhook.ParseSecret(strings.TrimSpace(text))
	if err != nil {
		return webhook.Secret{}, usagef("what was typed can't be used: %w", err)
	}
	return s, nil
}

func newSecretForgetCmd(a *app) *cobra.Command {
	yes, old := false, false
	cmd := &cobra.Command{
		Use:   "forget [ID]",
		Short: "Forget a webhook's secret",
		Long: `Forget the secret that is kept for a webhook of the server in use. It may be the
only copy, so it asks on a terminal, and needs --yes elsewhere. With --old only
the secrets before the newest one are forgotten, which ends a change of
secrets; that is not asked for.`,
		Example:           "  mender-webhooks secret forget 3bb0e41e --yes\n  mender-webhooks secret forget --old",
		Args:              args(0, 1, "at most one id"),
		ValidArgsFunction: a.completeKept,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSecretForget(cmd.Context(), a, firstOf(args), yes, old)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&old, "old", false, "forget the former secrets only")
	return cmd
}

func runSecretForget(ctx context.Context, a *app, arg string, yes, old bool) error {
	if !yes && !old && !a.interactive() {
		return hinted(usagef("secret forget needs a yes, and there is no terminal to ask on"), "say --yes")
	}
	set, err := a.localSettings()
	if err != nil {
		return err
	}
	info, err := a.findKept(set, arg)
	if err != nil {
		return err
	}
	if old {
		if err := a.store(set).ForgetOld(ctx, info.Key); err != nil {
			return err
		}
		a.say("the newest secret of webhook %s alone is kept", info.Name)
		return nil
	}
	if !yes {
		question := fmt.Sprintf("Forget the secret of webhook %s on %s? Mender can't tell it again.", info.Name, info.Server)
		if err := a.confirm(ctx, question); err != nil {
			return err
		}
	}
	if err := a.store(set).Delete(ctx, info.Key); err != nil && !errors.Is(err, secret.ErrNotFound) {
		return err
	}
	a.say("the secret of webhook %s is forgotten", info.Name)
	return nil
}
