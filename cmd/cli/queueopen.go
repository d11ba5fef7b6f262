package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// QueueOptions are the flags that select a queue.
type QueueOptions struct {
	Store string
	Nats  NatsFlags
	Utc   bool
}

// openQueue is an open queue and the function that closes it.
type openQueue struct {
	*relay.Queue
	Close func() error
}

// Attach opens the queue for admin commands.
func (o *QueueOptions) Attach(ctx context.Context, a *App) (*openQueue, error) {
	if err := o.Nats.Check(); err != nil {
		return nil, err
	}
	switch {
	case o.Store == "" && o.Nats.Given():
		return o.Nats.attach(ctx, a)
	case o.Store == "":
		return nil, Hinted(Usagef("--store or --nats required"), "pass the folder of `mender-webhooks listen --store DIR`, or its cluster with --nats")
	}
	store, err := relay.Attach(ctx, o.Store, func(format string, args ...any) { a.Warn(format, args...) })
	if errors.Is(err, relay.ErrNoStore) {
		return nil, Hinted(Failf(fault.NotFound, "--store: %w", err), "check that it is the folder of `mender-webhooks listen --store`")
	}
	if err != nil {
		return nil, fmt.Errorf("--store %s: %w", o.Store, err)
	}
	return &openQueue{Queue: store.Queue, Close: store.Close}, nil
}

// QueueError adds a kind and a hint to the queue's error for an unknown id.
func QueueError(err error, id string) error {
	if errors.Is(err, relay.ErrNotFound) {
		return Hinted(Failf(fault.NotFound, "%q: %w", id, relay.ErrNotFound), "run `mender-webhooks queue list` for the ids, and pass a complete one")
	}
	if errors.Is(err, relay.ErrNoRoute) {
		return Hinted(err, "pass `--forward-to NAME=URL` for the route to listen, or send the event with `mender-webhooks redeliver`")
	}
	return err
}
