package access

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
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
