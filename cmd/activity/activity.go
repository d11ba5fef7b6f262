// Package activity has the commands that read Mender's log of events and send
// events again: activity and redeliver.
package activity

import (
	"cmp"
	"context"
	"errors"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

type activityOptions struct {
	since, until string
	types        []string
	device       string
	failed       bool
	integration  string
	limit        int
	all          bool
	utc          bool

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
		Long: `Show the events in Mender's log, newest first, and how the delivery of each
went. With an id, or the beginning of one, show that event whole.

With --follow, show the last events and then each new one as it comes, until
Ctrl-C; --resume keeps the place over restarts. With --wait-for, wait for an
event and end with 7 if it does not come in time. With --stats, show how the
deliveries went in numbers. --forward-to sends followed events on to an
application on this machine: rebuilt from the log, signed with a secret of its
own, and marked X-Mender-Webhooks-Rebuilt.

Mender keeps events for a week. What it can't show: a delivery that ran into
the server's 10 seconds never reaches the log, and with no integration nothing
is logged.`,
		Example: `  mender-webhooks activity
  mender-webhooks activity --failed --since 2h
  mender-webhooks activity --device 769e5a83-259c-4506-ab05-9c2564f196fd --all -o jsonl
  mender-webhooks activity 48919a10
  mender-webhooks activity --follow --resume place.json -o jsonl >> record.jsonl
  mender-webhooks activity --wait-for type=device-status-changed,status=accepted --timeout 5m
  mender-webhooks activity --follow --forward-to 3000 --forward-secret-file app.secret
  mender-webhooks activity --stats --since 24h`,
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
	f.StringVar(&o.since, "since", "", "events since an `AGE` (2h, 7d; by the server's clock) or a time in RFC 3339")
	f.StringVar(&o.until, "until", "", "events until an `AGE` or a time")
	f.StringSliceVar(&o.types, "type", nil, "events of a `TYPE` alone (repeatable)")
	f.StringVar(&o.device, "device", "", "events of one device, by `ID`")
	f.BoolVar(&o.failed, "failed", false, "events of which a delivery failed")
	f.StringVar(&o.integration, "integration", "", "deliveries to one integration, by `ID` (also of one that is gone), its beginning or URL")
	f.IntVar(&o.limit, "limit", 20, "at most `N` events")
	f.BoolVar(&o.all, "all", false, "all events, without a limit")
	f.BoolVar(&o.utc, "utc", false, "times in UTC (tables show local time)")
	o.follow.register(f)
	f.StringSliceVar(&o.waitFor, "wait-for", nil, "wait for an event that fits the `CONDITIONS`, print it, and end; they are type=, device= and status=, with commas between them")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "with --wait-for: wait for a `DURATION`, then end with 7 (0: for ever)")
	f.BoolVar(&o.stats, "stats", false, "how the deliveries went: by type, status, error and over time")
	_ = cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(cli.StringsOf(webhook.EventTypes()), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("integration", a.CompleteIntegrations)
	return cmd
}

// activityQuery is what the options ask for, with times reckoned by the
// server's clock.
type activityQuery struct {
	mender.EventQuery
	types  map[webhook.EventType]bool
	device string
	failed bool
	limit  int // 0: none
}

// query checks the options before anything is sent, but for ages, which need
// to ask the server for its time.
func (o activityOptions) query(ctx context.Context, a *cli.App, client *mender.Client) (activityQuery, error) {
	q := activityQuery{device: o.device, failed: o.failed, limit: o.limit}
	if o.all {
		q.limit = 0
	}
	if len(o.types) > 0 {
		q.types = map[webhook.EventType]bool{}
		for _, t := range o.types {
			q.types[webhook.EventType(t)] = true
		}
	}
	a.WarnUnknown("--type", o.types, cli.StringsOf(webhook.EventTypes()))
	q.PageSize = q.pageSize()
	var err error
	if q.IntegrationID, err = a.IntegrationID(ctx, client, o.integration); err != nil {
		return q, err
	}
	now := a.Now()
	if o.since != "" || o.until != "" {
		at, err := client.ServerTime(ctx)
		if err != nil {
			return q, err
		}
		now = at
	}
	if q.Since, err = cli.ParseMoment("--since", o.since, now); err != nil {
		return q, err
	}
	if q.Until, err = cli.ParseMoment("--until", o.until, now); err == nil && !q.Until.IsZero() && q.Until.Before(q.Since) {
		err = cli.Hinted(cli.Usagef("--until is before --since, and nothing is between them"), "ages count back from now: --since 2h --until 1h is the hour before the last")
	}
	return q, err
}

// check refuses what can't be meant, before anything is sent.
func (o activityOptions) check() error {
	if o.limit < 0 || o.limit == 0 && !o.all && !o.follow.on {
		return cli.Hinted(cli.Usagef("--limit %d: it is 1 at least", o.limit), "--all is for all events")
	}
	for flag, text := range map[string]string{"--since": o.since, "--until": o.until} {
		if _, err := cli.ParseMoment(flag, text, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// pageSize fits what will be read: what is asked for, if that is all and few.
func (q activityQuery) pageSize() int {
	if q.limit == 0 || q.types != nil || q.device != "" || q.failed {
		return mender.MaxPageSize
	}
	return min(q.limit, mender.MaxPageSize)
}

// matches applies the filters that the server does not have.
func (q activityQuery) matches(e *mender.Event) bool {
	if q.types != nil && !q.types[e.Type] {
		return false
	}
	if q.failed && !e.Failed() {
		return false
	}
	return q.device == "" || e.DeviceID() == q.device
}

// open builds the client, and the query that the options ask for.
func (o activityOptions) open(ctx context.Context, a *cli.App) (*mender.Client, activityQuery, error) {
	client, err := a.Connect()
	if err != nil {
		return nil, activityQuery{}, err
	}
	q, err := o.query(ctx, a, client)
	return client, q, err
}

func runActivity(ctx context.Context, a *cli.App, o activityOptions) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	client, q, err := o.open(ctx, a)
	if err != nil {
		return err
	}
	if o.all {
		// So little is kept of each page that the collector would run for every
		// fourth: this takes a quarter of the time, for some 20 MiB.
		debug.SetGCPercent(400)
	}
	return printActivity(ctx, a, p, client, q, o.utc)
}

// printActivity prints events as they come. A table with a limit is laid out
// when all its rows are known.
func printActivity(ctx context.Context, a *cli.App, p *output.Printer, client *mender.Client, q activityQuery, utc bool) error {
	var rows [][]string
	whole := p.Format() == output.Table && q.limit > 0
	table := a.EventTable(utc)
	stream := p.Stream(table.Columns())
	progress := a.NewReading(utc, whole)
	shown := 0
	e := new(mender.Event) // one for all: the log may be long
	for event, err := range client.Events(ctx, q.EventQuery) {
		if err != nil {
			progress.Stop()
			return errors.Join(err, stream.Close())
		}
		*e = event
		progress.Read(e)
		if !q.matches(e) {
			continue
		}
		if whole {
			rows = append(rows, table.Row(e))
		} else if err := stream.Write(table.Item(p, e)); err != nil {
			progress.Stop()
			return err
		}
		if shown++; shown == q.limit {
			break
		}
	}
	progress.Stop()
	sayShown(a, shown, q)
	if whole {
		return p.Print(output.View{Table: output.TableView{Columns: table.Columns(), Rows: rows}})
	}
	return stream.Close()
}

// filtered reports whether the user asked for some events alone.
func (q activityQuery) filtered() bool {
	return len(q.types) > 0 || q.device != "" || q.failed || q.IntegrationID != "" || !q.Since.IsZero() || !q.Until.IsZero()
}

func sayShown(a *cli.App, shown int, q activityQuery) {
	switch {
	case shown == 0 && q.filtered():
		a.Say("none of the events in Mender's log is like that; it keeps them for a week")
	case shown == 0:
		a.Say("no events; Mender logs them only while there is an integration, and for a week")
	case shown == q.limit:
		a.Say("the newest %s; --limit shows more, --all all of them", cli.Plural(shown, "event"))
	}
}
