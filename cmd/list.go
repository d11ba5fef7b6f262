package cmd

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

func newListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List all integrations, of every provider",
		Long: `List the organization's integrations. Mender allows one, but it may be of
another provider than webhook; what this tool does not know is shown as it is.`,
		Example: "  mender-webhooks list\n  mender-webhooks list -o name\n  mender-webhooks list --jq '.[].credentials.http.url'",
		Args:    args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runList(cmd.Context(), a)
		},
	}
}

func runList(ctx context.Context, a *app) error {
	p, err := a.printer()
	if err != nil {
		return err
	}
	set, err := a.settings()
	if err != nil {
		return err
	}
	client, err := a.client(set)
	if err != nil {
		return err
	}
	integrations, err := client.Integrations(ctx)
	if err != nil {
		return err
	}
	table := output.TableView{Columns: []output.Column{
		{Name: "ID"}, {Name: "PROVIDER"}, {Name: "TARGET", Shrink: true},
		{Name: "SECRET"}, {Name: "SCOPES"}, {Name: "DESCRIPTION", Shrink: true},
	}}
	view := output.View{Value: integrations}
	for _, i := range integrations {
		table.Rows = append(table.Rows, []string{
			i.ID, string(i.Provider), target(i), secretState(i), strings.Join(i.Scopes, ","), i.Description,
		})
		view.Names = append(view.Names, i.ID)
	}
	view.Table = table
	if len(integrations) == 0 {
		a.say("no integrations; `mender-webhooks create` sets up a webhook")
	}
	return p.Print(view)
}

// target is where an integration's events go, for people.
func target(i mender.Integration) string {
	switch {
	case i.Credentials.HTTP != nil:
		return output.MaskURL(i.Credentials.HTTP.URL)
	case i.Credentials.AWS != nil:
		return "AWS IoT Core in " + i.Credentials.AWS.Region
	case i.Credentials.ConnectionString != "":
		for part := range strings.SplitSeq(i.Credentials.ConnectionString, ";") {
			if host, ok := strings.CutPrefix(part, "HostName="); ok {
				return host
			}
		}
	}
	return "-"
}

// secretState says whether a secret is set. What another provider calls its
// secret counts too.
func secretState(i mender.Integration) string {
	if i.Credentials.HasSecret() {
		return "set"
	}
	return "none"
}
