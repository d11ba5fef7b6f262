package integrations

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
)

// NewExportCmd returns the export command.
func NewExportCmd(a *cli.App) *cobra.Command {
	dir := ""
	cmd := &cobra.Command{
		Use:         "export",
		Annotations: cli.Prints(output.YAML, output.JSON),
		Short:       "Export integrations to a file for apply",
		Long: `Write the organization's webhook as a file for ` + "`apply`" + `. The server does not
return secrets, so the file refers to the store if the secret is stored on this
machine, and to an environment variable otherwise. stderr lists the variables
to set.

With --all-profiles, write one file for each profile to a folder that
` + "`apply -f DIR`" + ` accepts. Existing files with the same names are overwritten.`,
		Example: "  mender-webhooks export > webhooks.yaml\n  mender-webhooks export -o json\n  mender-webhooks export --all-profiles -d customers",
		Args:    cli.Args(0, 0, "no arguments"),
		PreRunE: cli.Rules{
			Against: map[string][]string{"dir": {"jq"}},
			Needs:   map[string][]string{"dir": {"all-profiles"}, "all-profiles": {"dir"}},
		}.Check,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.Printer()
			switch {
			case err != nil:
				return err
			case dir != "":
				return exportFolder(cmd.Context(), a, p.Format(), dir)
			}
			return runExport(cmd.Context(), a, p)
		},
	}
	a.AddAllProfiles(cmd.Flags(), "with --dir: export")
	cmd.Flags().StringVarP(&dir, "dir", "d", "", "with --all-profiles: `DIR` to write the files to")
	return cmd
}

func runExport(ctx context.Context, a *cli.App, p *output.Printer) error {
	e, err := fetchExport(ctx, a)
	if err != nil {
		return err
	}
	document, notes := provision.Export(e.integrations, provision.ExportOptions{IsStored: e.isStored})
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

// export has what a file needs to know about an organization.
type export struct {
	app          *cli.App
	set          *config.Settings
	integrations []mender.Integration
	stored       []secret.Info
}

func fetchExport(ctx context.Context, a *cli.App) (e export, err error) {
	client, set, err := a.Connect()
	if err != nil {
		return e, err
	}
	e.app, e.set = a, set
	if e.integrations, err = a.Integrations(ctx, client); err != nil {
		return e, err
	}
	_, e.stored, err = a.Stored(set)
	return e, err
}

func (e export) isStored(id string) bool {
	return slices.ContainsFunc(e.stored, func(info secret.Info) bool { return info.Name == id })
}

// exportFolder writes a file for each profile. If several profiles belong to the same
// organization, it writes one file for it, since apply refuses two.
func exportFolder(ctx context.Context, a *cli.App, format output.Format, dir string) error {
	if format != output.YAML && format != output.JSON {
		return cli.Usagef("--dir requires -o yaml or -o json")
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return cli.Usagef("invalid --dir %s: must be a folder", dir)
	}
	apps, err := a.Profiles()
	if err != nil {
		return err
	}
	done, failed := cli.Each(ctx, apps, func(app *cli.App) *cli.App { return app }, fetchExport)
	var written []export
	for _, e := range done {
		if i := slices.IndexFunc(written, func(w export) bool { return w.set.SameOrganization(e.set.Account) }); i >= 0 {
			e.app.Warn("left out, since the profile %s belongs to the same organization", written[i].set.Profile)
			continue
		}
		written = append(written, e)
	}
	profiles := make([]string, len(apps))
	for i, app := range apps {
		profiles[i] = app.Profile()
	}
	options, names := provision.ForProfiles(profiles)
	for _, e := range written {
		i := slices.Index(profiles, e.set.Profile)
		options[i].IsStored = e.isStored
		document, notes := provision.Export(e.integrations, options[i])
		if err := document.WriteFile(dir, names[i], format); err != nil {
			return err
		}
		for _, note := range notes {
			e.app.Say("%s", note)
		}
	}
	if len(written) > 0 {
		a.Say("wrote %s to %s", cli.Plural(len(written), "file"), dir)
	}
	return failed
}
