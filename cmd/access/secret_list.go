package access

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
)

func newSecretListCmd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:         "list",
		Annotations: cli.PrintsResult(),
		Aliases:     []string{"ls"},
		Short:       "List stored secrets without their values",
		Long:        "List the webhooks with a secret stored on this machine, without the secrets.",
		Example:     "  mender-webhooks secret list",
		Args:        cli.Args(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			return runSecretList(a)
		},
	}
}

func runSecretList(a *cli.App) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	set, err := a.LocalSettings()
	if err != nil {
		return err
	}
	infos := []secret.Info{}
	if set.SecretsFile != "" {
		if infos, err = a.Store(set).List(secret.Webhook); err != nil {
			return err
		}
	}
	view := output.View{Value: infos, Table: output.TableView{Columns: []output.Column{
		{Name: "WEBHOOK", ID: true}, {Name: "SERVER", Shrink: true}, {Name: "SINCE"}, {Name: "ORIGIN"}, {Name: "STORED IN"},
	}}}
	owned := slices.ContainsFunc(infos, func(i secret.Info) bool { return i.Organization != "" })
	if owned {
		view.Table.Columns = append(view.Table.Columns, output.Column{Name: "ORGANIZATION", ID: true})
	}
	for _, i := range infos {
		view.Names = append(view.Names, i.Name)
		row := []string{i.Name, i.Server, cli.ShortDate(output.Time(i.Stored, false), a.TableWidth()), string(i.Origin), string(i.Place)}
		if owned {
			row = append(row, i.Organization)
		}
		view.Table.Rows = append(view.Table.Rows, row)
	}
	if len(infos) == 0 {
		a.Say("no webhook secrets are stored on this machine")
	}
	return p.Print(view)
}
