package local

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/demo"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// NewDemoCmd returns the demo command.
func NewDemoCmd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:         "demo",
		Annotations: cli.Prints(output.Table),
		Short:       "Show a complete round trip on this machine",
		Long: `Show a complete round trip on this machine: start a stand-in for Mender and a
receiver on free ports, create a webhook with a new secret, take a device from
provisioning to decommissioning, show each delivery and its verdict, refuse two
forged requests, show the server's log, and delete the webhook. Each step prints
the command that you would type.

The demo sends nothing to other machines and leaves no files. It exits with 0 if
every step succeeds.`,
		Example: "  mender-webhooks demo",
		Args:    cli.Args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), a)
		},
	}
}

func runDemo(ctx context.Context, a *cli.App) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	err = demo.Run(ctx, demo.Options{
		Out: a.Stdout(), Style: a.OutStyle(), Width: a.OutWidth(), UserAgent: cli.UserAgent(),
		Events: func(events []mender.Event) error {
			table := a.EventTable(false)
			view := output.View{Table: output.TableView{Columns: table.Columns()}}
			for i := range events {
				view.Table.Rows = append(view.Table.Rows, table.Row(&events[i]))
			}
			return p.Print(view)
		},
	})
	if err == nil {
		a.Say("Try it yourself with `mender-webhooks sandbox --fleet 10 -- bash`, or log in to your server with `mender-webhooks login`.")
	}
	return err
}
