package access

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
)

func newConfigUnsetCmd(a *cli.App) *cobra.Command {
	all := false
	cmd := &cobra.Command{
		Use:   "unset [SETTING]",
		Short: "Remove a setting from a profile, or a profile",
		Long: `Remove a setting from the current profile, or from the one that --profile names.
With --all, remove the profile. A token that login saved for it remains until
logout.`,
		Example: "  mender-webhooks config unset ca-cert\n  mender-webhooks config unset --all --profile lab",
		Args: func(cmd *cobra.Command, given []string) error {
			least := 1
			if all {
				least = 0
			}
			return cli.Args(least, 1, "the name of a setting, or --all")(cmd, given)
		},
		PreRunE: cli.Rules{Against: map[string][]string{"all": {"SETTING"}}}.Check,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return config.ProfileKeys(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return runConfigUnset(cmd.Context(), a, cli.FirstOf(args))
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "remove the profile")
	return cmd
}

func runConfigUnset(ctx context.Context, a *cli.App, key string) error {
	set, err := a.Load(config.Input{NoToken: true, NewProfile: true})
	if err != nil {
		return err
	}
	file := config.NewFile(set.ConfigFile)
	if err := file.Unset(ctx, set.Profile, key); err != nil {
		if errors.Is(err, config.ErrNotSet) {
			return cli.Hinted(cli.Failf(fault.NotFound, "%w", err), "run `mender-webhooks config list --profiles` to list the profiles")
		}
		return err
	}
	if key != "" {
		a.Say("removed %s from profile %s in %s", key, set.Profile, file.Path())
		return nil
	}
	a.Say("removed profile %s from %s", set.Profile, file.Path())
	if set.SecretsFile == "" {
		return nil
	}
	tokens, err := a.Store(set).List(secret.Token)
	for _, t := range tokens {
		if t.Name == set.Profile {
			a.Say("%s is still stored; delete it with `mender-webhooks logout --server %s --profile %s`", t.Key, t.Server, t.Name)
		}
	}
	return err
}
