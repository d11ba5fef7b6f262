package activity

import (
	"context"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// runActivityEvent shows one event whole.
func runActivityEvent(ctx context.Context, a *cli.App, o activityOptions, id string) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	client, err := a.Connect()
	if err != nil {
		return err
	}
	e, err := findEvent(ctx, client, strings.ToLower(id))
	if err != nil {
		return err
	}
	view := output.View{Value: e, Names: []string{e.ID}}
	delivery, problem := cli.DeliveryState(&e)
	view.Fields = append(cli.Details([][2]string{
		{"Event", e.ID},
		{"Type", string(e.Type)},
		{"Time", output.Time(e.Time, o.utc)},
		{"Device", e.DeviceID()},
		{"Status", string(e.DeviceStatus())},
		{"Delivery", delivery},
		{"Error", problem},
	}), output.Field{Name: "Data", JSON: e.Data})
	return p.Print(view)
}

// findEvent looks for an event by its id, or by the beginning of one: then
// the whole log has to be read, since another event may begin so too.
func findEvent(ctx context.Context, client *mender.Client, id string) (mender.Event, error) {
	var found []mender.Event
	for e, err := range client.Events(ctx, mender.EventQuery{PageSize: mender.MaxPageSize}) {
		if err != nil {
			return mender.Event{}, err
		}
		if e.ID == id {
			return e, nil
		}
		if strings.HasPrefix(e.ID, id) {
			found = append(found, e)
		}
		if len(found) > 1 {
			return mender.Event{}, cli.Hinted(cli.Usagef("more than one event's id begins with %q", id), "give more of it: %s, %s, …", found[0].ID, found[1].ID)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	return mender.Event{}, cli.Hinted(cli.Failf(cli.ExitNotFound, "there is no event %q in the log", id), "Mender keeps events for a week; `mender-webhooks activity` lists them")
}
