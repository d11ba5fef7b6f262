package activity

import (
	"context"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// runActivityEvent prints one event in full.
func runActivityEvent(ctx context.Context, a *cli.App, o activityOptions, id string) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	client, _, err := a.Connect()
	if err != nil {
		return err
	}
	e, err := eventlog.New(client).Find(ctx, id)
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
