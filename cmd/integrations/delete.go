package integrations

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

type deleteOptions struct{ yes, noStore bool }

// NewDeleteCmd returns the delete command.
func NewDeleteCmd(a *cli.App) *cobra.Command {
	o := deleteOptions{}
	cmd := &cobra.Command{
		Use:     "delete [ID...]",
		Aliases: []string{"rm"},
		Short:   "Remove integrations",
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
	p, err := a.IDPrinter()
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
	set, err := a.Settings()
	if err != nil {
		return err
	}
	client, err := a.Client(set)
	if err != nil {
		return err
	}
	doomed, err := findAll(ctx, client, args)
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
	if err := canForget(a, set, o.noStore); err != nil {
		return err
	}
	var done output.View
	var unforgotten error
	deleted := []map[string]string{}
	for _, i := range doomed {
		if !o.noStore {
			if err := beforeChange(ctx, a, set, i.ID); err != nil {
				return fmt.Errorf("%s was not deleted (%d of %d were): %w", i.ID, len(deleted), len(doomed), err)
			}
		}
		if err := client.DeleteIntegration(ctx, i.ID); err != nil {
			return fmt.Errorf("delete %s (%d of %d were deleted): %w", i.ID, len(deleted), len(doomed), err)
		}
		deleted = append(deleted, map[string]string{"id": i.ID})
		done.Names = append(done.Names, i.ID)
		if !o.noStore {
			unforgotten = cli.Also(unforgotten, a.ForgetSecret(ctx, set, i.ID))
		}
	}
	done.Value = deleted
	if unforgotten != nil {
		unforgotten = cli.Hinted(unforgotten, "the integration is deleted all the same; `mender-webhooks secret forget` forgets its secret")
	}
	return cli.Also(p.Print(done), unforgotten)
}

// canForget reads the store before anything is deleted.
func canForget(a *cli.App, set *config.Settings, noStore bool) error {
	if noStore {
		return nil
	}
	_, err := a.Kept(set)
	if err != nil {
		return cli.Hinted(fmt.Errorf("nothing was deleted: %w", err), "--no-store leaves the secrets kept on this machine alone")
	}
	return nil
}

// findAll finds every integration before any is touched: a typo in the last
// argument must not cost the first.
func findAll(ctx context.Context, client *mender.Client, args []string) ([]mender.Integration, error) {
	var all []mender.Integration
	seen := map[string]bool{}
	for _, arg := range args {
		i, err := cli.FindIntegration(ctx, client, arg)
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
