package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
	"github.com/mender-webhooks/mender-webhooks/pkg/session"
)

func newTokenRevokeCmd(a *cli.App) *cobra.Command {
	yes := false
	cmd := &cobra.Command{
		Use:         "revoke TOKEN...",
		Annotations: cli.PrintsID(),
		Short:       "Revoke personal access tokens",
		Long: `Revoke personal access tokens by name, id, or at least 8 characters of an id.
Programs that use them lose access immediately, and a revoked token cannot be
restored. The command asks for confirmation on a terminal, and otherwise
requires --yes.`,
		Example: "  mender-webhooks token revoke ci --yes",
		Args:    cli.Args(1, -1, "the names or ids of tokens"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTokenRevoke(cmd.Context(), a, args, yes)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "skip the confirmation prompt")
	return cmd
}

func runTokenRevoke(ctx context.Context, a *cli.App, names []string, yes bool) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	if err := a.CheckConfirm(yes); err != nil {
		return err
	}
	client, set, err := a.Connect()
	if err != nil {
		return err
	}
	all, err := client.Tokens(ctx)
	if err != nil {
		return err
	}
	selected, err := session.SelectTokens(all, names, inUse(set))
	if err != nil {
		return err
	}
	if !yes {
		for _, t := range selected {
			question := fmt.Sprintf("Revoke token %s (%s) on %s?", t.Name, t.ID, a.Where())
			if t.ID == inUse(set) {
				question = fmt.Sprintf("Revoke token %s (%s) on %s, which you are using right now?", t.Name, t.ID, a.Where())
			}
			if err := a.Confirm(ctx, question); err != nil {
				return err
			}
		}
	}
	var done output.View
	revoked := []map[string]string{}
	for _, t := range selected {
		if err := client.RevokeToken(ctx, t.ID); err != nil {
			return fmt.Errorf("token %s (%d of %d tokens were revoked before it): %w", t.Name, len(revoked), len(selected), err)
		}
		revoked = append(revoked, map[string]string{"id": t.ID, "name": t.Name})
		done.Names = append(done.Names, t.ID)
		a.Say("revoked token %s on %s", t.Name, a.Where())
		if t.ID == inUse(set) {
			forgetRevoked(ctx, a, set)
		}
	}
	done.Value = revoked
	return p.Print(done)
}

// forgetRevoked deletes the revoked token from this machine if login saved it.
func forgetRevoked(ctx context.Context, a *cli.App, set *config.Settings) {
	if set.Token.Source != config.SourceStored {
		return
	}
	if err := a.Store(set).Delete(ctx, secret.TokenKey(set.Account)); err != nil && !errors.Is(err, secret.ErrNotFound) {
		a.Warn("the token was revoked, but cannot be deleted from this machine: %v", err)
		return
	}
	a.Say("revoked the saved token for %s; log in again with `mender-webhooks login`", set.Server)
}
