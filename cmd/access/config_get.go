package access

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/suggest"
)

func newConfigGetCmd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:         "get SETTING",
		Annotations: cli.PrintsID(),
		Short:       "Print the value of a setting",
		Long: `Print the effective value of a setting, whatever its origin. Tokens are never
printed.`,
		Example: "  mender-webhooks config get server\n  mender-webhooks config get request-timeout --profile lab",
		Args:    cli.Args(1, 1, "the name of a setting"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return config.ProfileKeys(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			return runConfigGet(a, args[0])
		},
	}
}

func runConfigGet(a *cli.App, key string) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(config.Keys(), func(k config.Key) bool { return k.Name == key })
	if i < 0 {
		return unknownSetting(key)
	}
	if config.Keys()[i].Secret {
		return cli.Hinted(cli.Usagef("%s is a secret and is never printed", key), "run `mender-webhooks config list` for its origin, or `mender-webhooks whoami` for its user")
	}
	set, err := a.LocalSettings()
	if err != nil {
		return err
	}
	for _, v := range set.Values() {
		if v.Key == key {
			return p.Print(output.View{Value: v, Names: []string{v.Text}})
		}
	}
	return cli.Hinted(cli.Failf(fault.NotFound, "%s is not set", key), "set it with `mender-webhooks config set %s VALUE`", key)
}

func unknownSetting(key string) error {
	err := cli.Usagef("unknown setting %q", key)
	if near := suggest.Name(key, config.ProfileKeys()); near != "" {
		return cli.Hinted(err, "did you mean %s?", near)
	}
	return cli.Hinted(err, "use one of %s", strings.Join(config.ProfileKeys(), ", "))
}
