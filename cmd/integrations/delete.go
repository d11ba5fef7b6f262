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

type deleteOptions struct{ yes, noStore, dryRun, expired bool }

// NewDeleteCmd returns the delete command.
func NewDeleteCmd(a *cli.App) *cobra.Command {
	o := deleteOptions{}
	cmd := &cobra.Command{
		Use:         "delete [ID...] [--expired]",
		Annotations: cli.PrintsID(),
		Aliases:     []string{"rm"},
		Short:       "Delete integrations",
		Long: `Delete integrations of any provider. After that, Mender neither sends nor logs
new events; events already in the log remain. A secret stored on this machine is
deleted, too.

delete asks for confirmation, so you must pass --yes if stdin is not a terminal.
ID is an id, a unique prefix of one, or the webhook's URL. On a terminal or
with --dry-run, you can leave it out to select the organization's only webhook.

--expired deletes webhooks that create --ephemeral left behind because it was
killed. It deletes only those with its mark in the description whose --ttl has
passed by the server's clock. If there are none, the exit code is 0.`,
		Example:           "  mender-webhooks delete 3bb0e41e\n  mender-webhooks delete https://example.com/mender --yes\n  mender-webhooks delete --expired --yes",
		Args:              cli.Args(0, -1, "ids"),
		ValidArgsFunction: a.CompleteIntegrations,
		PreRunE:           cli.Rules{Against: map[string][]string{"expired": {"ID"}}}.Check,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDelete(cmd.Context(), a, args, o)
		},
	}
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "skip the confirmation prompt")
	cmd.Flags().BoolVar(&o.expired, "expired", false, "delete expired webhooks left behind by create --ephemeral")
	cmd.Flags().BoolVar(&o.noStore, "no-store", false, "keep the secrets stored on this machine")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "show the plan without changing anything")
	return cmd
}

func runDelete(ctx context.Context, a *cli.App, args []string, o deleteOptions) error {
	p, err := printer(a, o.dryRun)
	if err != nil {
		return err
	}
	if len(args) == 0 && !o.expired {
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
	var found []mender.Integration
	if o.expired {
		found, err = findExpired(ctx, a, e.client)
	} else {
		found, err = findAll(ctx, a, e.client, args)
	}
	if err != nil {
		return err
	}
	if len(found) == 0 { // only with --expired
		return finishNone(p, o.dryRun)
	}
	if o.dryRun {
		return finishDryRun(a, p, provision.DeletePlan(found))
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

// findExpired returns the ephemeral webhooks that have expired, and reports what it finds.
func findExpired(ctx context.Context, a *cli.App, client *mender.Client) ([]mender.Integration, error) {
	all, err := a.Integrations(ctx, client)
	if err != nil {
		return nil, err
	}
	now, err := serverTime(ctx, client)
	if err != nil {
		return nil, err
	}
	expired, inUse := provision.ExpiredIn(all, now)
	say := func(i mender.Integration, verb string) {
		mark, _ := provision.ParseEphemeral(i.Description)
		a.Say("ephemeral webhook %s (%s) %s on %s", i.ID, cli.Target(i), verb, output.Time(mark.Expires, false))
	}
	for _, i := range expired {
		say(i, "expired")
	}
	for _, i := range inUse {
		say(i, "expires")
	}
	if len(expired) == 0 {
		a.Say("nothing to delete: no ephemeral webhook has expired")
	}
	return expired, nil
}

// finishNone prints the result of delete --expired if nothing has expired.
func finishNone(p *output.Printer, dryRun bool) error {
	switch {
	case !dryRun:
		return p.Print(output.View{Value: []map[string]string{}})
	case p.Format() == output.Table:
		return nil // the message says it all
	}
	return p.Print(output.View{Value: provision.DeletePlan(nil)})
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
