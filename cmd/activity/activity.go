// Package activity implements the commands that read Mender's event log and send
// events again: activity and redeliver.
package activity

import (
	"cmp"
	"time"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

type activityOptions struct {
	queryOptions
	integration string
	limit       int
	all         bool
	utc         bool

	follow  followOptions
	waitFor []string
	timeout time.Duration
	stats   bool
}

// NewActivityCmd returns the activity command.
func NewActivityCmd(a *cli.App) *cobra.Command {
	o := activityOptions{}
	cmd := &cobra.Command{
		Use:         "activity [EVENT-ID]",
		Annotations: cli.Prints(output.Formats()...),
		Short:       "Show events and their deliveries",
		Long: `Show the events in Mender's log, newest first, and how their deliveries went.
With an id, or a unique prefix of one, show that event in full.

With --follow, show the last events, then each new one as it arrives, until
Ctrl-C; --resume continues after a restart. With --follow --interactive, browse
them on a full screen, newest first; without a terminal, it shows lines.
With --wait-for, wait for an event; the exit code is 7 if it does not arrive in
time. With --stats, show statistics.
--forward-to forwards followed events to an application on this machine: rebuilt
from the log, signed with a separate secret, and marked
X-Mender-Webhooks-Rebuilt.

Mender keeps events for a week. Deliveries that took longer than 10 seconds are
never logged, and neither is anything while there is no integration.`,
		Example: `  mender-webhooks activity
  mender-webhooks activity --failed --since 2h
  mender-webhooks activity --device 769e5a83-259c-4506-ab05-9c2564f196fd --all -o jsonl
  mender-webhooks activity 48919a10
  mender-webhooks activity --follow --resume place.json -o jsonl >> record.jsonl
  mender-webhooks activity --follow --interactive
  mender-webhooks activity --wait-for type=device-status-changed,status=accepted --timeout 5m
  mender-webhooks activity --follow --forward-to 3000 --forward-secret-file app.secret
  mender-webhooks activity --stats --since 24h --all-profiles`,
		Args:    cli.Args(0, 1, "at most one event's id"),
		PreRunE: activityRules().Check,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cmp.Or(o.follow.check(), o.check()); err != nil {
				return err
			}
			switch {
			case len(args) == 1:
				return runActivityEvent(cmd.Context(), a, o, args[0])
			case o.follow.on:
				return runFollow(cmd.Context(), a, o)
			case len(o.waitFor) > 0:
				return runWait(cmd.Context(), a, o)
			case o.stats:
				return runStats(cmd.Context(), a, o)
			}
			return runActivity(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	o.register(f, "")
	f.BoolVar(&o.failed, "failed", false, "only events with a failed delivery")
	f.StringVar(&o.integration, "integration", "", "only deliveries to one integration, by `ID` (even a deleted one), unique prefix or URL")
	f.IntVar(&o.limit, "limit", 20, "at most `N` events")
	f.BoolVar(&o.all, "all", false, "all events, without a limit")
	f.BoolVar(&o.utc, "utc", false, "times in UTC instead of local time, in tables")
	o.follow.register(f)
	f.StringSliceVar(&o.waitFor, "wait-for", nil, "wait for an event, print it and exit; comma-separated `CONDITIONS`: type=, device= and status=")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "with --wait-for: `DURATION` to wait; 0 waits forever")
	f.BoolVar(&o.stats, "stats", false, "statistics of the deliveries: by type, status and error, and over time")
	a.AddAllProfiles(f, "with --stats: do this for")
	completeTypes(cmd)
	_ = cmd.RegisterFlagCompletionFunc("integration", a.CompleteIntegrations)
	return cmd
}

// check returns a usage error for invalid values, before anything is sent.
func (o activityOptions) check() error {
	if o.limit < 0 || o.limit == 0 && !o.all && !o.follow.on {
		return cli.Hinted(cli.Usagef("invalid --limit %d: must be at least 1", o.limit), "pass --all for all events")
	}
	return o.queryOptions.check()
}
