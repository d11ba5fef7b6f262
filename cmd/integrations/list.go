package integrations

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// NewListCmd returns the list command.
func NewListCmd(a *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:         "list",
		Annotations: cli.PrintsResult(),
		Aliases:     []string{"ls"},
		Short:       "List integrations of all providers",
		Long: `List the organization's integrations. Mender allows one, of any provider.
Providers and fields that this program does not know are printed unchanged.`,
		Example: "  mender-webhooks list\n  mender-webhooks list -o name\n  mender-webhooks list --jq '.[].credentials.http.url'\n  mender-webhooks list --all-profiles",
		Args:    cli.Args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.Printer()
			if err != nil {
				return err
			}
			return a.PrintEach(cmd.Context(), p, output.MergeRows, list)
		},
	}
	a.AddAllProfiles(cmd.Flags(), "do this for")
	return cmd
}

func list(ctx context.Context, a *cli.App) (cli.Shown, error) {
	client, _, err := a.Connect()
	if err != nil {
		return cli.Shown{}, err
	}
	integrations, err := a.Integrations(ctx, client)
	if err != nil {
		return cli.Shown{}, err
	}
	s := cli.Shown{View: output.View{Value: integrations, Table: integrationTable(integrations)}}
	if a.Profile() != "" { // the column PROFILE takes the room
		for _, row := range s.Table.Rows {
			row[0] = row[0][:min(len(row[0]), shortID)]
		}
	}
	for _, i := range integrations {
		s.Names = append(s.Names, i.ID)
	}
	if len(integrations) == 0 {
		s.Note = "no integrations; run `mender-webhooks create` to create a webhook"
	}
	return s, nil
}

// shortID is the length of an id in a table with several profiles. Commands take a prefix
// of an id, and an organization has only one integration.
const shortID = 8

// integrationTable returns the table of integrations. To fit in 80 columns, it shows
// scopes and descriptions only if an integration has them.
func integrationTable(integrations []mender.Integration) output.TableView {
	scoped := slices.ContainsFunc(integrations, func(i mender.Integration) bool { return len(i.Scopes) > 0 })
	named := slices.ContainsFunc(integrations, func(i mender.Integration) bool { return i.Description != "" })
	table := output.TableView{Columns: []output.Column{
		{Name: "ID", ID: true}, {Name: "PROVIDER"}, {Name: "TARGET", Shrink: true}, {Name: "SECRET"},
	}}
	if scoped {
		table.Columns = append(table.Columns, output.Column{Name: "SCOPES", Shrink: true})
	}
	if named {
		table.Columns = append(table.Columns, output.Column{Name: "DESCRIPTION", Shrink: true})
	}
	for _, i := range integrations {
		row := []string{i.ID, string(i.Provider), cli.Target(i), secretState(i)}
		if scoped {
			row = append(row, strings.Join(i.Scopes, ","))
		}
		if named {
			row = append(row, i.Description)
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

// secretState returns "set" or "none" for the secret of an integration of any provider.
func secretState(i mender.Integration) string {
	if i.Credentials.HasSecret() {
		return "set"
	}
	return "none"
}
