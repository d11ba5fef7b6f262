package activity

import (
	"cmp"
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
	"github.com/mender-webhooks/mender-webhooks/pkg/suggest"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// waitFor adds the conditions of --wait-for to a query.
func waitFor(q eventlog.Query, conditions []string) (eventlog.Query, error) {
	seen := map[string]bool{}
	for _, condition := range conditions {
		key, value, _ := strings.Cut(condition, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch {
		case value == "":
			return q, cli.Hinted(cli.Usagef("condition %q in --wait-for has no value", condition), "write type=…, device=… or status=…, comma-separated")
		case seen[key]:
			return q, cli.Usagef("--wait-for has two values for %s", key)
		case key == "type" && len(q.Types) > 0, key == "device" && q.Device != "":
			return q, cli.Usagef("--%s cannot be combined with %s= in --wait-for", key, key)
		}
		seen[key] = true
		switch key {
		case "type":
			q.Types = []webhook.EventType{webhook.EventType(cli.LongType(value))}
		case "device":
			q.Device = value
		case "status":
			q.Status = webhook.DeviceStatus(value)
		default:
			return q, misspelt("condition", key, []string{"type", "device", "status"}, "use type, device or status")
		}
	}
	return q, cmp.Or(
		checkSpelling("type", cli.StringsOf(q.Types), cli.StringsOf(webhook.EventTypes())),
		checkSpelling("status", []string{string(q.Status)}, cli.StringsOf(webhook.DeviceStatuses())),
	)
}

// checkSpelling returns a usage error for a value that is similar to a known one, for
// which --wait-for would wait in vain. Others may be known to a newer version of Mender.
func checkSpelling(what string, given, known []string) error {
	for _, value := range given {
		if !slices.Contains(known, value) && suggest.Name(value, known) != "" {
			return misspelt(what, value, known, "")
		}
	}
	return nil
}

func misspelt(what, value string, known []string, hint string) error {
	if similar := suggest.Name(value, known); similar != "" {
		hint = "did you mean " + similar + "?"
	}
	return cli.Hinted(cli.Usagef("unknown %s %q in --wait-for", what, value), "%s", hint)
}

// runWait prints the first event that meets the conditions.
func runWait(ctx context.Context, a *cli.App, o activityOptions) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	wanted, err := waitFor(eventlog.Query{Device: o.device}, o.waitFor)
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
	if q, err = waitFor(q, o.waitFor); err != nil {
		return mender.Event{}, err
	}
	if q.Device, err = log.DeviceID(ctx, q.Device); err != nil {
		return mender.Event{}, err
	}
	return log.Wait(ctx, o.following(a, q), func() { a.Say("waiting for an event with %s", strings.Join(o.waitFor, ", ")) })
}
