package access

import (
	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

func newConfigListCmd(a *cli.App) *cobra.Command {
	profiles := false
	cmd := &cobra.Command{
		Use:         "list",
		Annotations: cli.PrintsResult(),
		Aliases:     []string{"ls"},
		Short:       "List settings with their origins",
		Long: `List the effective settings with their origins: a flag, the environment, the
profile, mender-cli's files, or the default. With --profiles, list the profiles
of the config file instead, and whether login saved a token for them.`,
		Example: "  mender-webhooks config list\n  mender-webhooks config list --profiles",
		Args:    cli.Args(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if profiles {
				return runConfigProfiles(a)
			}
			return runConfigList(a)
		},
	}
	cmd.Flags().BoolVar(&profiles, "profiles", false, "list profiles instead of settings")
	return cmd
}

func runConfigList(a *cli.App) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	set, err := a.Settings()
	if err != nil {
		return err
	}
	view := output.View{Value: set.Values(), Table: output.TableView{Columns: []output.Column{
		{Name: "SETTING"}, {Name: "VALUE", Shrink: true}, {Name: "SOURCE"}, {Name: "FROM", Shrink: true},
	}}}
	for _, v := range set.Values() {
		view.Names = append(view.Names, v.Key)
		view.Table.Rows = append(view.Table.Rows, []string{v.Key, v.Text, string(v.Source), v.From})
	}
	return p.Print(view)
}
