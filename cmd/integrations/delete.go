package integrations

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
)

type deleteOptions struct{ yes, noStore bool }

// NewDeleteCmd returns the delete command.
func NewDeleteCmd(a *cli.App) *cobra.Command {
	o := deleteOptions{}
	cmd := &cobra.Command{
		Use:         "delete [ID...]",
		Annotations: cli.PrintsID(),
		Aliases:     []string{"rm"},
		Short:       "Delete integrations",
		Long: `Remove integrations. From then on Mender sends nothing and logs nothing; events
that are in the log already stay there. A secret kept on this machine is forgotten.

It asks on a terminal, and needs --yes elsewhere. An ID is an id, the beginning
of one, or the webhook's URL. Without any, the organization's only webhook is
meant, on a terminal only.`,
		Example:           "  mender-webhooks delete 3bb0e41e\n  mender-webhooks delete https://example.com/mender --yes",
		Args:              cli.Args(0, -1, "ids"),
		ValidArgsFunction: a.CompleteIntegrations,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDelete(cmd.Context(), a, args, o)
		},
	}
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&o.noStore, "no-store", false, "leave the secrets kept on this machine alone")
	return cmd
}

func runDelete(ctx context.Context, a *cli.App, args []string, o deleteOptions) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	interactive := cli.IsTerminal(a.In) && cli.IsTerminal(a.Err)
	switch {
	case len(args) == 0 && (o.yes || !interactive):
		return cli.Hinted(cli.Usagef("delete needs the id of what to remove"), "`mender-webhooks list` shows it")
	case !o.yes && !interactive:
		return cli.Hinted(cli.Usagef("delete needs a yes, and there is no terminal to ask on"), "say --yes")
	case len(args) == 0:
		args = []string{""}
	}
	e, err := newEngine(a, o.noStore, provision.Options{})
	if err != nil {
		return err
	}
	doomed, err := findAll(ctx, a, e.client, args)
	if err != nil {
		return err
	}
	if !o.yes {
		for _, i := range doomed {
			if err := a.Confirm(ctx, fmt.Sprintf("Delete %s %s (%s)?", i.Provider, i.ID, cli.Target(i))); err != nil {
				return err
			}
		}
	}
	done, err := e.Apply(ctx, provision.DeletePlan(doomed))
	view, deleted := output.View{}, []map[string]string{}
	for _, s := range done.Steps {
		if s.Done {
			deleted = append(deleted, map[string]string{"id": s.ID})
			view.Names = append(view.Names, s.ID)
		}
	}
	if err != nil && len(doomed) > 1 && len(deleted) < len(doomed) {
		err = fmt.Errorf("%d of %d integrations were deleted: %w", len(deleted), len(doomed), err)
	}
	if len(deleted) == 0 {
		return err
	}
	view.Value = deleted
	return cli.Also(p.Print(view), unkept(err, "`mender-webhooks secret forget` forgets its secret"))
}

// findAll finds every integration before any is touched: a typo in the last
// argument must not cost the first.
func findAll(ctx context.Context, a *cli.App, client *mender.Client, args []string) ([]mender.Integration, error) {
	var all []mender.Integration
	seen := map[string]bool{}
	for _, arg := range args {
		i, err := a.FindIntegration(ctx, client, arg)
		if err != nil {
			return nil, err
		}
		if !seen[i.ID] {
			seen[i.ID] = true
			all = append(all, i)
		}
	}
	return all, nil
}
