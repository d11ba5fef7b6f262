package receiving

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

func newQueueRetryCmd(a *cli.App, o *cli.QueueOptions) *cobra.Command {
	all, route := false, ""
	cmd := &cobra.Command{
		Use:   "retry ID...",
		Short: "Retry dead letters",
		Long: `Move dead letters to the end of the queue, so that they are forwarded again. Of
several targets, only the one that refused an event gets it again. For an event
that blocks the queue, make the next attempt immediately.`,
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
			return changeQueue(cmd.Context(), a, o, change{ids: args, all: all, route: route, any: (*relay.Queue).Retry, of: (*relay.Queue).RetryOf, done: "queued again"})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "retry all dead letters")
	cmd.Flags().StringVar(&route, "route", "", "retry only dead letters of the target with this `NAME`")
	return cmd
}

func newQueueDropCmd(a *cli.App, o *cli.QueueOptions) *cobra.Command {
	yes, route := false, ""
	cmd := &cobra.Command{
		Use:   "drop ID...",
		Short: "Delete stored events",
		Long: `Delete dead letters or waiting events permanently, so that the application
never gets them. A waiting event is deleted for all targets. An attempt in
flight may still succeed. The command asks for confirmation on a terminal, and
otherwise requires --yes.`,
		Example: "  mender-webhooks queue drop 48919a10 --store /var/lib/mender-webhooks --yes",
		Args:    cli.Args(1, -1, "events' ids"),
		PreRunE: queueRules().Check,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				if err := a.Confirm(cmd.Context(), "Permanently delete "+cli.Plural(len(args), "event")+" from "+o.Place()+"?"); err != nil {
					return err
				}
			}
			return changeQueue(cmd.Context(), a, o, change{ids: args, route: route, any: (*relay.Queue).Drop, of: (*relay.Queue).DropOf, done: "deleted"})
		},
	}
	cmd.Flags().StringVar(&route, "route", "", "delete only dead letters of the target with this `NAME`")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "skip the confirmation prompt")
	return cmd
}

// change is a change of stored events.
type change struct {
	ids   []string
	all   bool   // change all dead letters
	route string // change only dead letters of this route; empty means any
	any   func(*relay.Queue, context.Context, ...string) error
	of    func(*relay.Queue, context.Context, string, ...string) error
	done  string // describes changed events
}

func (c change) apply(ctx context.Context, q *relay.Queue, id, route string) error {
	if route == "" {
		return c.any(q, ctx, id)
	}
	return c.of(q, ctx, route, id)
}

// changeQueue changes the events one by one, so that a missing event does not affect the
// others.
func changeQueue(ctx context.Context, a *cli.App, o *cli.QueueOptions, c change) (err error) {
	store, err := o.Attach(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if c.ids, err = store.IDs(ctx, c.ids); err != nil {
		return err
	}
	type letter struct{ id, route string }
	var letters []letter
	for _, id := range c.ids {
		letters = append(letters, letter{id, c.route})
	}
	if c.all {
		for e, err := range store.List(ctx, relay.Dead) {
			if err != nil {
				return err
			}
			if c.route == "" || c.route == e.Route {
				letters = append(letters, letter{e.ID, e.Route})
			}
		}
	}
	changed := 0
	var failed error
	for _, l := range letters {
		if err := c.apply(ctx, store.Queue, l.id, l.route); err != nil {
			if failed != nil {
				a.Warn("%v", failed) // only the last error is returned
			}
			failed = cli.QueueError(err, l.id)
			continue
		}
		changed++
	}
	if changed > 0 || failed == nil {
		a.Say("%s %s", cli.Plural(changed, "event"), c.done)
	}
	return failed
}
