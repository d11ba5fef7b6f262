package integrations

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// NewInspectCmd returns the inspect command.
func NewInspectCmd(a *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:         "inspect [ID]",
		Annotations: cli.PrintsResult(),
		Short:       "Show an integration and its recent deliveries",
		Long: `Show the settings of an integration and its deliveries of the last day. The
deliveries come from Mender's log, which does not contain those that exceeded
the server's limit of 10 seconds. -o json prints only the integration, as the
API returns it.

ID is an id, a unique prefix of one, or the webhook's URL. Without it, the
command uses the organization's only webhook.`,
		Example:           "  mender-webhooks inspect\n  mender-webhooks inspect 3bb0e41e -o json\n  mender-webhooks inspect --jq .credentials.http.url\n  mender-webhooks inspect --all-profiles",
		Args:              cli.Args(0, 1, "at most one id"),
		ValidArgsFunction: a.CompleteIntegrations,
		PreRunE:           cli.Rules{Against: map[string][]string{"all-profiles": {"ID"}}}.Check,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.Printer()
			if err != nil {
				return err
			}
			return a.PrintEach(cmd.Context(), p, output.MergeSections, func(ctx context.Context, a *cli.App) (cli.Shown, error) {
				return inspect(ctx, a, cli.FirstOf(args), p.Format() == output.Table)
			})
		},
	}
	a.AddAllProfiles(cmd.Flags(), "do this for")
	return cmd
}

// inspect returns an integration, with its deliveries if they are to be shown.
func inspect(ctx context.Context, a *cli.App, arg string, deliveries bool) (cli.Shown, error) {
	client, _, err := a.Connect()
	if err != nil {
		return cli.Shown{}, err
	}
	i, err := a.FindIntegration(ctx, client, arg)
	if err != nil {
		return cli.Shown{}, err
	}
	view := output.View{Value: i, Names: []string{i.ID}}
	if deliveries {
		rows := integrationRows(i)
		stats, err := eventlog.New(client).LastDay(ctx, i.ID)
		if err != nil {
			return cli.Shown{}, err
		}
		view.Fields = cli.Details(append(rows, healthRows(stats)...))
	}
	return cli.Shown{View: view}, nil
}
