package activity

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// awaited is what --wait-for waits for; "" is anything.
type awaited struct {
	typ    webhook.EventType
	device string
	status webhook.DeviceStatus
}

// parseWaitFor reads the KEY=VALUE pairs of --wait-for.
func parseWaitFor(pairs []string) (awaited, error) {
	var w awaited
	seen := map[string]bool{}
	for _, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch {
		case value == "":
			return w, cli.Hinted(cli.Usagef("--wait-for %q: there is no value", pair), "write type=…, device=… and status=…, with commas between them")
		case seen[key]:
			return w, cli.Usagef("--wait-for: there are two values for %s", key)
		}
		seen[key] = true
		switch key {
		case "type":
			w.typ = webhook.EventType(value)
		case "device":
			w.device = value
		case "status":
			w.status = webhook.DeviceStatus(value)
		default:
			return w, cli.Hinted(cli.Usagef("--wait-for: %q is nothing to wait for", key), "it is type, device or status")
		}
	}
	return w, nil
}

// words are the type and the status, where they are waited for.
func (w awaited) words() []string {
	return slices.DeleteFunc([]string{string(w.typ), string(w.status)}, func(word string) bool { return word == "" })
}

func (w awaited) matches(e *mender.Event) bool {
	return (w.typ == "" || e.Type == w.typ) &&
		(w.device == "" || e.DeviceID() == w.device) &&
		(w.status == "" || e.DeviceStatus() == w.status)
}

// runWait ends with the first event that is waited for.
func runWait(ctx context.Context, a *cli.App, o activityOptions) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	wanted, err := parseWaitFor(o.waitFor)
	if err != nil {
		return err
	}
	a.WarnUnknown("--wait-for", wanted.words(), append(cli.StringsOf(webhook.EventTypes()), cli.StringsOf(webhook.DeviceStatuses())...))
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.timeout, cli.ErrTimeIsUp)
		defer cancel()
	}
	begun := time.Now()
	e, err := waitForEvent(ctx, a, o, wanted)
	switch {
	case errors.Is(context.Cause(ctx), cli.ErrTimeIsUp) && err != nil:
		return cli.Hinted(cli.Failf(cli.ExitTimeout, "%s passed, and no event came with %s", o.timeout, strings.Join(o.waitFor, ", ")),
			"an event is in the log once its delivery is done, within 10 seconds; --since 1m also takes one that came before")
	case err != nil:
		return err
	}
	a.Say("it came after %s", output.Duration(time.Since(begun)))
	table := a.EventTable(o.utc)
	return p.Print(output.View{
		Value: e, Names: []string{e.ID},
		Table: output.TableView{Columns: table.Columns(), Rows: [][]string{table.Row(&e)}},
	})
}

func waitForEvent(ctx context.Context, a *cli.App, o activityOptions, wanted awaited) (mender.Event, error) {
	client, q, err := o.open(ctx, a)
	if err != nil {
		return mender.Event{}, err
	}
	opt := o.followed(a, q)
	opt.Want = func(e *mender.Event) bool { return q.matches(e) && wanted.matches(e) }
	waiting := false
	opt.Checkpoint = func(mender.FollowState) error { // what is there has been looked at
		if !waiting {
			waiting = true
			a.Say("waiting for an event with %s", strings.Join(o.waitFor, ", "))
		}
		return nil
	}
	follower, err := client.Follow(opt)
	if err != nil {
		return mender.Event{}, err
	}
	for e, err := range follower.Events(ctx) {
		return e, err
	}
	return mender.Event{}, context.Cause(ctx)
}
