package activity

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// runWait prints the first event that meets the conditions.
func runWait(ctx context.Context, a *cli.App, o activityOptions) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	wanted, err := (eventlog.Query{Device: o.device}).WaitFor(o.waitFor)
	if err != nil {
		return err
	}
	words := append(cli.StringsOf(wanted.Types), string(wanted.Status))
	a.WarnUnknown("--wait-for", slices.DeleteFunc(words, func(w string) bool { return w == "" }),
		append(cli.StringsOf(webhook.EventTypes()), cli.StringsOf(webhook.DeviceStatuses())...))
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.timeout, cli.ErrTimeIsUp)
		defer cancel()
	}
	begun := time.Now()
	e, err := o.wait(ctx, a)
	switch {
	case errors.Is(context.Cause(ctx), cli.ErrTimeIsUp) && err != nil:
		return cli.Hinted(cli.Failf(fault.Timeout, "no event with %s arrived within %s", strings.Join(o.waitFor, ", "), o.timeout),
			"an event is in the log once its delivery is done, within 10 seconds; pass --since 1m to include earlier ones")
	case err != nil:
		return err
	}
	a.Say("found after %s", output.Duration(time.Since(begun)))
	table := a.EventTable(o.utc)
	return p.Print(output.View{
		Value: e, Names: []string{e.ID},
		Table: output.TableView{Columns: table.Columns(), Rows: [][]string{table.Row(&e)}},
	})
}

func (o activityOptions) wait(ctx context.Context, a *cli.App) (mender.Event, error) {
	log, q, err := o.open(ctx, a)
	if err != nil {
		return mender.Event{}, err
	}
	if q, err = q.WaitFor(o.waitFor); err != nil {
		return mender.Event{}, err
	}
	if q.Device, err = log.DeviceID(ctx, q.Device); err != nil {
		return mender.Event{}, err
	}
	return log.Wait(ctx, o.following(a, q), func() { a.Say("waiting for an event with %s", strings.Join(o.waitFor, ", ")) })
}
