package activity

import (
	"context"
	"errors"
	"slices"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/replay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// gather returns the events to send. The oldest comes first, because receivers
// expect that order.
func (o redeliverOptions) gather(ctx context.Context, a *cli.App, ids []string) ([]target.Event, error) {
	if o.stored() {
		return o.fromStore(ctx, a, ids)
	}
	return o.fromLog(ctx, a, ids)
}

// fromStore returns events exactly as they were stored.
func (o redeliverOptions) fromStore(ctx context.Context, a *cli.App, ids []string) (events []target.Event, err error) {
	store, err := (&cli.QueueOptions{Store: o.store, Nats: o.nats}).Attach(ctx, a)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if ids, err = store.IDs(ctx, ids); err != nil {
		return nil, err
	}
	for _, id := range ids {
		e, err := store.Stored(ctx, id)
		if err != nil {
			return nil, cli.QueueError(err, id)
		}
		events = append(events, target.Event{ID: e.ID, Type: e.Type, Header: e.Header, Body: e.Body})
	}
	return events, nil
}

// fromLog returns events that are rebuilt from Mender's log.
func (o redeliverOptions) fromLog(ctx context.Context, a *cli.App, ids []string) ([]target.Event, error) {
	client, _, err := a.Connect()
	if err != nil {
		return nil, err
	}
	secret, err := o.secret.One(ctx, a)
	if err != nil {
		return nil, err
	}
	if secret.IsZero() {
		a.Warn("no secret is known: events are sent unsigned; pass --secret-file FILE to sign them")
	}
	chosen, err := o.choose(ctx, a, client, ids)
	if err != nil {
		return nil, err
	}
	a.Say("events are rebuilt from Mender's log: their bytes differ from the original deliveries, and the header %s marks them", target.HeaderRebuilt)
	events := make([]target.Event, 0, len(chosen))
	for _, e := range slices.Backward(chosen) {
		rebuilt, err := replay.FromLog(e, secret)
		if err != nil {
			return nil, err
		}
		events = append(events, rebuilt)
	}
	return events, nil
}

// choose returns the events that the flags or the ids select, newest first.
func (o redeliverOptions) choose(ctx context.Context, a *cli.App, client *mender.Client, ids []string) (chosen []mender.Event, err error) {
	log := eventlog.New(client)
	for _, id := range slices.Backward(ids) {
		e, err := log.Find(ctx, id)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, e)
	}
	if len(ids) > 0 {
		return chosen, nil
	}
	q, err := o.query(ctx, a, client)
	if err != nil {
		return nil, err
	}
	progress := a.NewReading(false, true)
	defer progress.Stop()
	for e, err := range log.EventsWithProgress(ctx, q, progress.Read) {
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, e)
	}
	return chosen, nil
}
