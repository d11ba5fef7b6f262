package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
)

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
