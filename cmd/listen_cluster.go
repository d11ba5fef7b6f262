package cmd

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// clusterPatience is how long listen waits at its start for a cluster that
// can't be reached, or has no quorum, before it answers without it.
const clusterPatience = 2 * time.Second

func (l *listener) openCluster(ctx context.Context, target *url.URL) (sink, error) {
	r := l.options.relay
	o, err := r.nats.dial(l.app)
	if err != nil {
		return nil, err
	}
	o.MaxBytes, o.Keep, o.Replicas = int64(r.maxBytes), r.keep, r.replicas
	patience, cancel := context.WithTimeout(ctx, clusterPatience)
	defer cancel()
	c, err := relay.Dial(patience, o)
	if errors.Is(err, relay.ErrUnavailable) {
		return l.awaitCluster(o, target, err), nil
	}
	if err != nil {
		return nil, natsError(err)
	}
	return l.onCluster(ctx, c, target), nil
}

// onCluster says what is on a cluster.
func (l *listener) onCluster(ctx context.Context, c *relay.Cluster, target *url.URL) *stored {
	ctx, cancel := context.WithTimeout(ctx, clusterPatience)
	defer cancel()
	if state, err := c.Status(ctx); err == nil && (state.Waiting > 0 || state.Dead > 0) {
		l.app.say("on the cluster: %d waiting, %d dead", state.Waiting, state.Dead)
	}
	return &stored{l: l, queue: c.Queue, release: c.Close, target: target}
}

// absent is a store on a cluster that is not there yet. Events are refused
// until it is.
type absent struct {
	l      *listener
	dial   relay.DialOptions
	target *url.URL

	store   atomic.Pointer[stored] // nil until events are taken in
	why     atomic.Pointer[error]  // there is none
	waiting sync.WaitGroup
	stop    context.CancelFunc // ends the waiting
}

func (l *listener) awaitCluster(o relay.DialOptions, target *url.URL, why error) *absent {
	a := &absent{l: l, dial: o, target: target, stop: func() {}}
	a.dial.Failed = func(err error) { a.why.Store(&err) }
	a.why.Store(&why)
	return a
}

func (a *absent) accept(ctx context.Context, r *receiver.Request) receiver.Answer {
	if s := a.store.Load(); s != nil {
		return s.accept(ctx, r)
	}
	return unavailable(*a.why.Load())
}

func (a *absent) ready(ctx context.Context) error {
	if s := a.store.Load(); s != nil {
		return s.ready(ctx)
	}
	return *a.why.Load()
}

// start waits for the cluster in the background. What waiting does not mend
// ends the program.
func (a *absent) start(ctx context.Context) error {
	a.l.app.warn("--nats: %v; events are refused with 503 until the cluster is there", *a.why.Load())
	ctx, a.stop = context.WithCancel(ctx)
	a.waiting.Go(func() {
		for ctx.Err() == nil {
			s, err := a.open(ctx)
			switch {
			case err == nil:
				a.store.Store(s)
				a.l.app.say("the cluster is there: events are taken in")
				return
			case errors.Is(err, relay.ErrUnavailable):
				a.why.Store(&err) // it is gone again
			case ctx.Err() == nil:
				a.l.stop(err)
				return
			}
		}
	})
	return nil
}

func (a *absent) open(ctx context.Context) (*stored, error) {
	c, err := relay.Dial(ctx, a.dial)
	if err != nil {
		return nil, natsError(err)
	}
	s := a.l.onCluster(ctx, c, a.target)
	if err := s.start(ctx); err != nil {
		ctx, cancel := context.WithCancel(ctx)
		cancel() // there is nothing to finish
		return nil, errors.Join(err, s.close(ctx))
	}
	return s, nil
}

func (a *absent) close(ctx context.Context) error {
	a.stop()
	a.waiting.Wait()
	if s := a.store.Load(); s != nil {
		return s.close(ctx)
	}
	return nil
}
