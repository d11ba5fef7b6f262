package access

import (
	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

func newConfigPathCmd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:         "path",
		Annotations: cli.PrintsID(),
		Short:       "Print the path of the config file",
		Long:        "Print the path of the config file, even if it does not exist or is invalid.",
		Example:     `  "$EDITOR" "$(mender-webhooks config path)"`,
		Args:        cli.Args(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			p, err := a.Printer()
			if err != nil {
				return err
			}
			path, err := config.ConfigFile(config.Input{Flags: a.SettingFlags, LookupEnv: a.Env})
			if err != nil {
				return err
			}
			if path == "" {
				return cli.Hinted(cli.Failf(fault.NotFound, "no config file: the home folder is unknown"), "pass --config FILE")
			}
			return p.Print(output.View{Value: map[string]string{"path": path}, Names: []string{path}})
		},
	}
}
