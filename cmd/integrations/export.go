package integrations

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
)

// NewExportCmd returns the export command.
func NewExportCmd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:         "export",
		Annotations: cli.Prints(output.YAML, output.JSON),
		Short:       "Export integrations to a file for apply",
		Long: `Write the organization's webhook as a file for ` + "`apply`" + `. The server does not
return secrets, so the file refers to the store if the secret is stored on this
machine, and to an environment variable otherwise. stderr lists the variables
to set.`,
		Example: "  mender-webhooks export > webhooks.yaml\n  mender-webhooks export -o json",
		Args:    cli.Args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runExport(cmd.Context(), a)
		},
	}
}

func runExport(ctx context.Context, a *cli.App) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	client, set, err := a.Connect()
	if err != nil {
		return err
	}
	integrations, err := a.Integrations(ctx, client)
	if err != nil {
		return err
	}
	_, kept, err := a.Stored(set)
	if err != nil {
		return err
	}
	document, notes := provision.Export(integrations, func(id string) bool {
		for _, info := range kept {
			if info.Name == id {
				return true
			}
		}
		return false
	})
	if p.Format() == output.YAML {
		if _, err := fmt.Fprintln(a.Stdout(), provision.SchemaComment); err != nil {
			return err
		}
	}
	if err := p.Print(output.View{Value: document}); err != nil {
		return err
	}
	for _, note := range notes {
		a.Say("%s", note)
	}
	return nil
}
