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

type deleteOptions struct{ yes, noStore, dryRun bool }

// NewDeleteCmd returns the delete command.
func NewDeleteCmd(a *cli.App) *cobra.Command {
	o := deleteOptions{}
	cmd := &cobra.Command{
		Use:         "delete [ID...]",
		Annotations: cli.PrintsID(),
		Aliases:     []string{"rm"},
		Short:       "Delete integrations",
		Long: `Delete integrations of any provider. After that, Mender neither sends nor logs
new events; events already in the log remain. A secret stored on this machine is
deleted, too.

delete asks for confirmation, so you must pass --yes if stdin is not a terminal.
ID is an id, a unique prefix of one, or the webhook's URL. On a terminal or
with --dry-run, you can leave it out to select the organization's only webhook.`,
		Example:           "  mender-webhooks delete 3bb0e41e\n  mender-webhooks delete https://example.com/mender --yes",
		Args:              cli.Args(0, -1, "ids"),
		ValidArgsFunction: a.CompleteIntegrations,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDelete(cmd.Context(), a, args, o)
		},
	}
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "skip the confirmation prompt")
	cmd.Flags().BoolVar(&o.noStore, "no-store", false, "keep the secrets stored on this machine")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "show the plan without changing anything")
	return cmd
}

func runDelete(ctx context.Context, a *cli.App, args []string, o deleteOptions) error {
	p, err := printer(a, o.dryRun)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		if o.yes || !a.Interactive() && !o.dryRun {
			return cli.Hinted(cli.Usagef("delete requires an id"), "run `mender-webhooks list` to see the ids")
		}
		args = []string{""}
	}
	if err := a.CheckConfirm(o.yes || o.dryRun); err != nil {
		return err
	}
	e, err := newEngine(a, o.noStore, provision.Options{})
	if err != nil {
		return err
	}
	found, err := findAll(ctx, a, e.client, args)
	if err != nil {
		return err
	}
	if o.dryRun {
		return finishDryRun(a, p, provision.DeletePlan(found), false)
	}
	if !o.yes {
		for _, i := range found {
			if err := a.Confirm(ctx, fmt.Sprintf("Delete %s %s (%s) on %s?", i.Provider, cli.Shorten(i.ID), cli.Target(i), a.Where())); err != nil {
				return err
			}
		}
	}
	done, err := e.Apply(ctx, provision.DeletePlan(found))
	view, deleted := output.View{}, []map[string]string{}
	for _, s := range done.Steps {
		if s.Done {
			deleted = append(deleted, map[string]string{"id": s.ID})
			view.Names = append(view.Names, s.ID)
			a.Say("deleted %s %s on %s", s.Provider, s.ID, a.Where())
		}
	}
	if err != nil && len(found) > 1 && len(deleted) < len(found) {
		err = fmt.Errorf("%d of %d integrations were deleted: %w", len(deleted), len(found), err)
	}
	if len(deleted) == 0 {
		return err
	}
	view.Value = deleted
	return cli.Also(p.Print(view), unkept(err, "run `mender-webhooks secret forget` to delete its secret"))
}

// findAll returns the integrations for all arguments. Call it before deleting any of
// them, so that a command with a typo in one argument deletes nothing.
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
