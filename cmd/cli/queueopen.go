package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// QueueOptions are the flags that select a queue.
type QueueOptions struct {
	Store string
	Nats  NatsFlags
	Utc   bool
}

// Place returns the folder or the cluster of the queue, for prompts.
func (o *QueueOptions) Place() string {
	switch {
	case o.Store != "":
		return o.Store
	case len(o.Nats.urls) > 0:
		return output.MaskText(strings.Join(o.Nats.urls, ", "))
	}
	return "the cluster of the context " + o.Nats.context
}

// Flags returns the flags that select the same queue, for a command in a message.
func (o *QueueOptions) Flags() string {
	if o.Store != "" {
		return "--store " + o.Store
	}
	return o.Nats.flags()
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
		return nil, Hinted(Usagef("--store or --nats required"), "pass the same --store or --nats as to `mender-webhooks listen`")
	}
	store, err := relay.Attach(ctx, o.Store, func(format string, args ...any) { a.Warn(format, args...) })
	if errors.Is(err, relay.ErrNoStore) {
		return nil, Hinted(Failf(fault.NotFound, "--store: %w", err), "pass the same folder as to `mender-webhooks listen --store`")
	}
	if err != nil {
		return nil, fmt.Errorf("--store %s: %w", o.Store, err)
	}
	return &openQueue{Queue: store.Queue, Close: store.Close}, nil
}

// IDs returns the ids of the events that ids or unique prefixes stand for. An ambiguous
// prefix is a usage error.
func (q *openQueue) IDs(ctx context.Context, given []string) ([]string, error) {
	ids := make([]string, len(given))
	for i, prefix := range given {
		var err error
		if ids[i], err = q.ID(ctx, prefix); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// QueueError adds a kind and a hint to the queue's error for an unknown id.
func QueueError(err error, id string) error {
	if errors.Is(err, relay.ErrNotFound) {
		return Hinted(Failf(fault.NotFound, "%q: %w", id, relay.ErrNotFound), "run `mender-webhooks queue list` for the ids, with --state dead for dead letters")
	}
	if errors.Is(err, relay.ErrNoRoute) {
		return Hinted(err, "start listen with a --forward-to NAME=URL for this route, or send the event with `mender-webhooks redeliver`")
	}
	return err
}
