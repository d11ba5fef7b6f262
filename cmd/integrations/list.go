package integrations

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
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
