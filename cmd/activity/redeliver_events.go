package activity

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// again is an event to send again: its id and the request for it.
type again struct {
	id, typ string
	header  http.Header // beside what every delivery has
	body    []byte
	secret  webhook.Secret // zero: the header has the signature already
}

// gather takes the events from where they are, oldest first: the order in
// which they happened is what a receiver expects.
func (o redeliverOptions) gather(ctx context.Context, a *cli.App, ids []string) ([]again, error) {
	if o.stored() {
		return o.fromStore(ctx, a, ids)
	}
	return o.fromLog(ctx, a, ids)
}

// fromStore takes events as they were stored.
func (o redeliverOptions) fromStore(ctx context.Context, a *cli.App, ids []string) (events []again, err error) {
	store, err := (&cli.QueueOptions{Store: o.store, Nats: o.nats}).Attach(ctx, a)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for _, id := range ids {
		e, err := store.Stored(ctx, id)
		if err != nil {
			return nil, cli.QueueError(err, id)
		}
		events = append(events, again{id: e.ID, typ: e.Type, header: e.Header, body: e.Body})
	}
	return events, nil
}

// fromLog rebuilds events from Mender's log.
func (o redeliverOptions) fromLog(ctx context.Context, a *cli.App, ids []string) ([]again, error) {
	client, err := a.Connect()
	if err != nil {
		return nil, err
	}
	secret, err := o.secret.One(ctx, a)
	if err != nil {
		return nil, err
	}
	if secret.IsZero() {
		a.Warn("no secret is known: what is sent is unsigned")
	}
	chosen, err := o.choose(ctx, a, client, ids)
	if err != nil {
		return nil, err
	}
	a.Say("rebuilt from Mender's log: the bytes differ from those that were delivered, and %s says so", cli.HeaderRebuilt)
	events := make([]again, 0, len(chosen))
	for _, e := range slices.Backward(chosen) {
		body, err := cli.Rebuild(e)
		if err != nil {
			return nil, err
		}
		events = append(events, again{
			id: e.ID, typ: string(e.Type), body: body, secret: secret,
			header: http.Header{cli.HeaderRebuilt: {cli.RebuiltFrom}},
		})
	}
	return events, nil
}

// choose finds the events that are meant, newest first.
func (o redeliverOptions) choose(ctx context.Context, a *cli.App, client *mender.Client, ids []string) ([]mender.Event, error) {
	var chosen []mender.Event
	if len(ids) > 0 {
		for _, id := range slices.Backward(ids) {
			e, err := findEvent(ctx, client, strings.ToLower(id))
			if err != nil {
				return nil, err
			}
			chosen = append(chosen, e)
		}
		return chosen, nil
	}
	q, err := o.query(ctx, a, client)
	if err != nil {
		return nil, err
	}
	q.PageSize = mender.MaxPageSize
	progress := a.NewReading(false, true)
	defer progress.Stop()
	for e, err := range client.Events(ctx, q.EventQuery) {
		if err != nil {
			return nil, err
		}
		progress.Read(&e)
		if q.matches(&e) {
			chosen = append(chosen, e.Clone())
		}
	}
	return chosen, nil
}
