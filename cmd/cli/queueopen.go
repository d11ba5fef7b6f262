package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// QueueOptions say which queue is meant.
type QueueOptions struct {
	Store string
	Nats  NatsFlags
	Utc   bool
}

// openQueue is a queue with what has to be closed afterwards.
type openQueue struct {
	*relay.Queue
	Close func() error
}

// Attach opens the queue for looking after it.
func (o *QueueOptions) Attach(ctx context.Context, a *App) (*openQueue, error) {
	if err := o.Nats.Check(); err != nil {
		return nil, err
	}
	switch {
	case o.Store == "" && o.Nats.Given():
		return o.Nats.attach(ctx, a)
	case o.Store == "":
		return nil, Hinted(Usagef("which store? --store is missing"), "give the folder that `mender-webhooks listen --store DIR` uses, or with --nats its cluster")
	}
	store, err := relay.Attach(ctx, o.Store, func(format string, args ...any) { a.Warn(format, args...) })
	if errors.Is(err, relay.ErrNoStore) {
		return nil, Hinted(Failf(ExitNotFound, "--store: %w", err), "is it the folder that `mender-webhooks listen --store` was given?")
	}
	if err != nil {
		return nil, fmt.Errorf("--store %s: %w", o.Store, err)
	}
	return &openQueue{Queue: store.Queue, Close: store.Close}, nil
}

// QueueError adds an exit code and a next step to an error of the queue.
func QueueError(err error, id string) error {
	if errors.Is(err, relay.ErrNotFound) {
		return Hinted(Failf(ExitNotFound, "%q: %w", id, relay.ErrNotFound), "`mender-webhooks queue list` shows the ids, which have to be whole")
	}
	return err
}
