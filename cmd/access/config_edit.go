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

func newConfigSetCmd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:   "set SETTING VALUE",
		Short: "Change a setting in a profile",
		Long: `Change a setting in the current profile, or in the one that --profile names,
which is created if it does not exist. Comments and other settings in the file
are preserved. With - as VALUE, the value is read from stdin; a token must be,
because other users can see arguments in the process list.`,
		Example: `  mender-webhooks config set server https://eu.hosted.mender.io
  mender-webhooks config set ca-cert /etc/ssl/lab-ca.pem --profile lab`,
		Args: cli.Args(2, 2, "a setting and its value"),
		ValidArgsFunction: func(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(given) > 0 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return config.ProfileKeys(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return runConfigSet(cmd.Context(), a, args[0], args[1])
		},
	}
}

func runConfigSet(ctx context.Context, a *cli.App, key, value string) error {
	file, profile, err := configTarget(a)
	if err != nil {
		return err
	}
	if key == "token" && value != "-" {
		return cli.Hinted(cli.Usagef("refusing a token as an argument: other users can see it in the process list"),
			"use `mender-webhooks login --token-stdin`, or `mender-webhooks config set token -` to read it from stdin")
	}
	if value == "-" {
		if value, err = a.ReadSecretInput(ctx, "Value"); err != nil {
			return err
		}
	}
	if err := file.Set(ctx, profile, key, value); err != nil {
		return err
	}
	a.Say("set %s of profile %s in %s", key, profile, file.Path())
	return nil
}

// configTarget returns the file and the profile to change.
func configTarget(a *cli.App) (config.File, string, error) {
	set, err := a.Load(config.Input{NoToken: true, NewProfile: true})
	if err != nil {
		return config.File{}, "", err
	}
	return config.NewFile(set.ConfigFile), set.Profile, nil
}

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
