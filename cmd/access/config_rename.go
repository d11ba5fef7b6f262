package access

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
)

func newConfigRenameCmd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:   "rename PROFILE NEW-NAME",
		Short: "Rename a profile",
		Long: `Rename a profile of the config file. Its settings, comments and the tokens that
login saved for it are preserved. If it is the default profile, it remains so.`,
		Example: "  mender-webhooks config rename lab staging",
		Args:    cli.Args(2, 2, "the name of a profile and its new name"),
		ValidArgsFunction: func(cmd *cobra.Command, given []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(given) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return a.CompleteProfiles(cmd, given, typed)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return runConfigRename(cmd.Context(), a, args[0], args[1])
		},
	}
}

func runConfigRename(ctx context.Context, a *cli.App, from, to string) error {
	set, err := a.Load(config.Input{NoToken: true, NewProfile: true})
	if err != nil {
		return err
	}
	file := config.NewFile(set.ConfigFile)
	rename := func() error { return file.Rename(ctx, from, to) }
	if set.SecretsFile == "" {
		err = rename()
	} else {
		err = a.Store(set).RenameTokens(ctx, from, to, rename)
	}
	if err != nil {
		return err
	}
	a.Say("renamed profile %s to %s in %s", from, to, file.Path())
	if a.Getenv(config.EnvProfile) == from {
		a.Warn("%s is still set to %s", config.EnvProfile, from)
	}
	return nil
}
