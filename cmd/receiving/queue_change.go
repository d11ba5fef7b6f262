package receiving

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

func newQueueRetryCmd(a *cli.App, o *cli.QueueOptions) *cobra.Command {
	all := false
	cmd := &cobra.Command{
		Use:     "retry ID...",
		Short:   "Retry dead letters",
		Long:    "Move dead letters to the end of the queue, so that they are forwarded again. For\nan event that blocks the queue, make the next attempt immediately.",
		Example: "  mender-webhooks queue retry --all --store /var/lib/mender-webhooks",
		Args:    cli.Args(0, -1, "events' ids"),
		PreRunE: func(cmd *cobra.Command, args []string) error {
			rules := queueRules()
			rules.Against["all"] = []string{"ID"}
			return rules.Check(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && !all {
				return cli.Hinted(cli.Usagef("id of a dead letter required"), "pass --all to retry all of them")
			}
			return changeQueue(cmd.Context(), a, o, args, all, (*relay.Queue).Retry, "queued again")
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "retry all dead letters")
	return cmd
}

func newQueueDropCmd(a *cli.App, o *cli.QueueOptions) *cobra.Command {
	yes := false
	cmd := &cobra.Command{
		Use:   "drop ID...",
		Short: "Delete stored events",
		Long: `Delete dead letters or waiting events permanently, so that the application
never gets them. An attempt in flight may still succeed. The command asks for
confirmation on a terminal, and otherwise requires --yes.`,
		Example: "  mender-webhooks queue drop 48919a10 --store /var/lib/mender-webhooks --yes",
		Args:    cli.Args(1, -1, "events' ids"),
		PreRunE: queueRules().Check,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				if err := a.Confirm(cmd.Context(), "Permanently delete "+cli.Plural(len(args), "event")+" from "+o.Place()+"?"); err != nil {
					return err
				}
			}
			return changeQueue(cmd.Context(), a, o, args, false, (*relay.Queue).Drop, "deleted")
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "skip the confirmation prompt")
	return cmd
}

// changeQueue changes the events one by one, so that a missing event does not affect the
// others.
func changeQueue(ctx context.Context, a *cli.App, o *cli.QueueOptions, ids []string, all bool,
	change func(*relay.Queue, context.Context, ...string) error, done string,
) (err error) {
	store, err := o.Attach(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if ids, err = store.IDs(ctx, ids); err != nil {
		return err
	}
	if all {
		for e, err := range store.List(ctx, relay.Dead) {
			if err != nil {
				return err
			}
			ids = append(ids, e.ID)
		}
	}
	changed := 0
	var failed error
	for _, id := range ids {
		if err := change(store.Queue, ctx, id); err != nil {
			if failed != nil {
				a.Warn("%v", failed) // only the last error is returned
			}
			failed = cli.QueueError(err, id)
			continue
		}
		changed++
	}
	if changed > 0 || failed == nil {
		a.Say("%s %s", cli.Plural(changed, "event"), done)
	}
	return failed
}
