package activity

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/moment"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// queryOptions are the flags that select events of the log.
type queryOptions struct {
	since, until string
	types        []string
	device       string
	failed       bool
}

// register adds the flags to f. The help of each flag begins with prefix.
func (o *queryOptions) register(f *pflag.FlagSet, prefix string) {
	f.StringVar(&o.since, "since", "", prefix+"only events since an `AGE` (2h, 1d12h, 1w; by the server's clock) or a time (2026-11-23T10:00, 10:00, yesterday)")
	f.StringVar(&o.until, "until", "", prefix+"only events until an `AGE` or a time")
	f.StringSliceVar(&o.types, "type", nil, prefix+"only events of a `TYPE`, with or without device- (repeatable)")
	f.StringVar(&o.device, "device", "", prefix+"only events of one device, by `ID` or unique prefix")
}

func completeTypes(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(cli.StringsOf(webhook.EventTypes()), cobra.ShellCompDirectiveNoFileComp))
}

func (o queryOptions) check() error {
	for flag, text := range map[string]string{"--since": o.since, "--until": o.until} {
		if _, err := moment.Parse(flag, text, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// query returns the query that the flags describe. It needs the server's clock for
// ages, and contacts the server only if --since or --until is given.
func (o queryOptions) query(ctx context.Context, a *cli.App, client *mender.Client) (q eventlog.Query, err error) {
	q = eventlog.Query{Failed: o.failed}
	for _, t := range o.types {
		q.Types = append(q.Types, eventlog.LongType(t))
	}
	a.WarnUnknown("--type", cli.StringsOf(q.Types), cli.StringsOf(webhook.EventTypes()))
	if q.Device, err = eventlog.New(client).DeviceID(ctx, o.device); err != nil {
		return q, err
	}
	now := a.Now()
	if o.since != "" || o.until != "" {
		if now, err = client.ServerTime(ctx); err != nil {
			return q, err
		}
	}
	if q.Since, err = moment.Parse("--since", o.since, now); err != nil {
		return q, err
	}
	if q.Until, err = moment.Parse("--until", o.until, now); err != nil {
		return q, err
	}
	if !q.Until.IsZero() && q.Until.Before(q.Since) {
		return q, cli.Hinted(cli.Usagef("--until is before --since"), "count ages back from now: --since 2h --until 1h is the hour before the last")
	}
	return q, nil
}

// open returns the log and the query that the flags describe.
func (o activityOptions) open(ctx context.Context, a *cli.App) (*eventlog.Log, eventlog.Query, error) {
	client, _, err := a.Connect()
	if err != nil {
		return nil, eventlog.Query{}, err
	}
	id, err := a.IntegrationID(ctx, client, o.integration)
	if err != nil {
		return nil, eventlog.Query{}, err
	}
	q, err := o.query(ctx, a, client)
	if q.IntegrationID = id; !o.all {
		q.Limit = o.limit
	}
	return eventlog.New(client), q, err
}
