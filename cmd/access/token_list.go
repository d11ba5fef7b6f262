package access

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

func newTokenListCmd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:         "list",
		Annotations: cli.PrintsResult(),
		Aliases:     []string{"ls"},
		Short:       "List your personal access tokens",
		Long: `List the personal access tokens of the logged-in user, without the tokens
themselves: the server shows each only once, when it is created. LAST USED is
accurate to five minutes.`,
		Example: "  mender-webhooks token list\n  mender-webhooks token list -o name",
		Args:    cli.Args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runTokenList(cmd.Context(), a)
		},
	}
}

func runTokenList(ctx context.Context, a *cli.App) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	client, set, err := a.Connect()
	if err != nil {
		return err
	}
	tokens, err := client.Tokens(ctx)
	if err != nil {
		return err
	}
	if tokens == nil {
		tokens = []mender.PersonalAccessToken{}
	}
	view := output.View{Value: tokens, Table: output.TableView{Columns: []output.Column{
		{Name: "ID", ID: true}, {Name: "NAME", Shrink: true}, {Name: "CREATED"}, {Name: "EXPIRES"}, {Name: "LAST USED"}, {Name: "NOTE"},
	}}}
	at := func(t time.Time) string { return cli.ShortDate(output.Time(t, false), a.TableWidth()) }
	for _, t := range tokens {
		view.Names = append(view.Names, t.ID)
		expires := "never"
		if !t.ExpiresAt.IsZero() {
			expires = at(t.ExpiresAt)
		}
		note := ""
		if t.ID == inUse(set) {
			note = "in use here"
		}
		view.Table.Rows = append(view.Table.Rows, []string{
			t.ID, t.Name, at(t.CreatedAt), expires, at(t.LastUsed), note,
		})
	}
	if len(tokens) == 0 {
		a.Say("no personal access tokens; create one with `mender-webhooks token create`")
	}
	return p.Print(view)
}
