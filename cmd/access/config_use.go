package access

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
)

func newConfigUseCmd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:               "use PROFILE",
		Short:             "Select the default profile",
		Long:              "Select the profile that commands use by default, without --profile and\nMENDER_PROFILE.",
		Example:           "  mender-webhooks config use lab",
		Args:              cli.Args(1, 1, "the name of a profile"),
		ValidArgsFunction: a.CompleteProfiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runConfigUse(cmd.Context(), a, args[0])
		},
	}
}

func runConfigUse(ctx context.Context, a *cli.App, profile string) error {
	file, _, err := configTarget(a)
	if err != nil {
		return err
	}
	if err := file.Use(ctx, profile); err != nil {
		return err
	}
	a.Say("%s is now the default profile", profile)
	if name := a.Getenv(config.EnvProfile); name != "" && name != profile {
		a.Warn("%s is set to %s and takes precedence", config.EnvProfile, name)
	}
	return nil
}
