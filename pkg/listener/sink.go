package listener

import (
	"context"
	"net/http"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// sink stores or forwards the events that the receiver accepts.
type sink interface {
	accept(context.Context, *receiver.Request) receiver.Answer
	// start starts the work in the background.
	start(context.Context) error
	// ready returns nil, or the reason why events cannot be accepted now.
	ready(context.Context) error
	// stats returns the queue's statistics; ok is false if there is no queue.
	stats() (s relay.Stats, ok bool)
	// relayQueue returns the queue, or nil if there is none.
	relayQueue() *relay.Queue
	// close finishes the work in progress, or aborts it when ctx is done.
	close(ctx context.Context) error
}

func (l *Listener) openSink(ctx context.Context) (sink, error) {
	switch {
	case l.o.Store != nil:
		return l.openStore(ctx)
	case l.o.Cluster != nil:
		return l.openCluster(ctx)
	case len(l.o.Targets) == 0:
		return nowhere{}, nil
	case len(l.o.Targets) > 1:
		return nil, fault.Usagef("%d targets without a store: Mender gets only one answer", len(l.o.Targets))
	case l.o.AnswerFirst:
		return l.openBackground(), nil
	}
	t := l.o.Targets[0].Target
	return &direct{target: t, forward: receiver.ForwardTo(t, l.o.DirectTimeout)}, nil
}

// nowhere accepts events that are only shown, without storing or forwarding them.
type nowhere struct{}

func (nowhere) accept(context.Context, *receiver.Request) receiver.Answer { return receiver.Answer{} }
func (nowhere) start(context.Context) error                               { return nil }
func (nowhere) ready(context.Context) error                               { return nil }
func (nowhere) stats() (relay.Stats, bool)                                { return relay.Stats{}, false }
func (nowhere) relayQueue() *relay.Queue                                  { return nil }
func (nowhere) close(context.Context) error                               { return nil }

// direct forwards each event while Mender waits for the answer.
type direct struct {
	nowhere
	target  target.Target
	forward func(context.Context, *receiver.Request) receiver.Answer
}

func (d *direct) accept(ctx context.Context, r *receiver.Request) receiver.Answer {
	return d.forward(ctx, r)
}

func (d *direct) close(context.Context) error { return d.target.Close() }

// unavailable answers an event that could not be stored.
func unavailable(err error) receiver.Answer {
	return receiver.Answer{Status: http.StatusServiceUnavailable, Body: []byte(err.Error() + "\n")}
}
