package listener

import (
	"context"
	"net/http"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// sink stores or forwards the events that the receiver accepts.
type sink interface {
	accept(context.Context, *receiver.Request) receiver.Answer
	// start starts the work in the background, which ends with the context.
	start(context.Context) error
	// ready returns nil, or the reason why events cannot be accepted now.
	ready(context.Context) error
	// stats returns the queue's statistics; ok is false if there is no queue.
	stats() (s relay.Stats, ok bool)
	// relayQueue returns the queue, or nil if there is none.
	relayQueue() *relay.Queue
	// targets returns the current targets.
	targets() []*outlet
	// close finishes the work in progress, or aborts it when ctx is done.
	close(ctx context.Context) error
}

func (e *endpoint) openSink(ctx context.Context, o Endpoint, targets []*outlet) (sink, error) {
	switch {
	case o.Store != nil:
		return e.openStore(ctx, *o.Store, targets, o.Recover)
	case o.Cluster != nil:
		return e.openCluster(ctx, *o.Cluster, targets, o.Recover)
	case len(targets) == 0:
		return nowhere{}, nil
	case o.AnswerFirst:
		return e.openBackground(targets[0]), nil
	}
	t := targets[0]
	return &direct{target: t, forward: receiver.ForwardTo(t, o.DirectTimeout)}, nil
}

// nowhere accepts events that are only shown, without storing or forwarding them.
type nowhere struct{}

func (nowhere) accept(context.Context, *receiver.Request) receiver.Answer { return receiver.Answer{} }
func (nowhere) start(context.Context) error                               { return nil }
func (nowhere) ready(context.Context) error                               { return nil }
func (nowhere) stats() (relay.Stats, bool)                                { return relay.Stats{}, false }
func (nowhere) relayQueue() *relay.Queue                                  { return nil }
func (nowhere) targets() []*outlet                                        { return nil }
func (nowhere) close(context.Context) error                               { return nil }

// direct forwards each event while Mender waits for the answer.
type direct struct {
	nowhere
	target  *outlet
	forward func(context.Context, *receiver.Request) receiver.Answer
}

func (d *direct) accept(ctx context.Context, r *receiver.Request) receiver.Answer {
	return d.forward(ctx, r)
}

func (d *direct) targets() []*outlet          { return []*outlet{d.target} }
func (d *direct) close(context.Context) error { return d.target.Close() }

// unavailable answers an event that could not be stored.
func unavailable(err error) receiver.Answer {
	return receiver.Answer{Status: http.StatusServiceUnavailable, Body: []byte(err.Error() + "\n")}
}
