package receiving

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// clusterPatience is how long listen waits at its start for a cluster that
// can't be reached, or has no quorum, before it answers without it.
const clusterPatience = 2 * time.Second

// clustered is a store on a cluster, which may not be there yet: until it is,
// events are refused.
type clustered struct {
	l      *listener
	dial   relay.DialOptions
	target target.Target
	opened *stored // at once; nil where the cluster has to be waited for

	store   atomic.Pointer[stored] // nil until events are taken in
	why     atomic.Pointer[error]  // there is none
	waiting sync.WaitGroup
	stop    context.CancelFunc // ends the waiting
}

func (l *listener) openCluster(ctx context.Context, to target.Target) (sink, error) {
	r := l.options.relay
	o, err := r.nats.Dial(l.app)
	if err != nil {
		return nil, err
	}
	c := &clustered{l: l, dial: o, target: to, stop: func() {}}
	c.dial.MaxBytes, c.dial.Keep, c.dial.Replicas = int64(r.maxBytes), r.keep, r.replicas
	c.dial.Failed = c.missed
	c.missed(errOpening)
	patience, cancel := context.WithTimeout(ctx, clusterPatience)
	defer cancel()
	c.opened, err = c.open(patience)
	if errors.Is(err, relay.ErrUnavailable) {
		c.missed(err)
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

var errOpening = fmt.Errorf("%w: it is being opened", relay.ErrUnavailable)

// missed notes why there is no store.
func (c *clustered) missed(err error) { c.why.Store(&err) }

func (c *clustered) open(ctx context.Context) (*stored, error) {
	queue, err := relay.Dial(ctx, c.dial)
	if err != nil {
		return nil, cli.NatsError(err)
	}
	if s := queue.Stats(); s.Waiting > 0 || s.Dead > 0 {
		c.l.app.Say("on the cluster: %d waiting, %d dead", s.Waiting, s.Dead)
	}
	return &stored{l: c.l, queue: queue.Queue, release: queue.Close, target: c.target}, nil
}

func (c *clustered) accept(ctx context.Context, r *receiver.Request) receiver.Answer {
	if s := c.store.Load(); s != nil {
		return s.accept(ctx, r)
	}
	return unavailable(*c.why.Load())
}

func (c *clustered) ready(ctx context.Context) error {
	if s := c.store.Load(); s != nil {
		return s.ready(ctx)
	}
	return *c.why.Load()
}

// start begins at once, or as soon as the cluster is there. What waiting does
// not mend ends the program, now or then.
func (c *clustered) start(ctx context.Context) error {
	if c.opened != nil {
		err := c.begin(ctx, c.opened)
		if !errors.Is(err, relay.ErrUnavailable) {
			return err
		}
		c.opened = nil
		c.missed(err)
	}
	c.l.app.Warn("%v; events are refused with 503 until the cluster is there", *c.why.Load())
	ctx, c.stop = context.WithCancel(ctx)
	c.waiting.Go(func() {
		if err := c.await(ctx); err != nil && ctx.Err() == nil {
			c.l.stop(err)
		}
	})
	return nil
}

func (c *clustered) await(ctx context.Context) error {
	for {
		s, err := c.open(ctx)
		if err == nil {
			err = c.begin(ctx, s)
		}
		switch {
		case err == nil:
			c.l.app.Say("the cluster is there: events are taken in")
			return nil
		case ctx.Err() != nil || !errors.Is(err, relay.ErrUnavailable):
			return err
		}
		c.missed(err) // it is gone again
	}
}

// begin takes events in from now on. Where that fails the store is closed.
func (c *clustered) begin(ctx context.Context, s *stored) error {
	if err := s.start(ctx); err != nil {
		ended, cancel := context.WithCancel(ctx)
		cancel() // there is nothing to finish
		return errors.Join(err, s.close(ended))
	}
	c.store.Store(s)
	return nil
}

func (c *clustered) close(ctx context.Context) error {
	c.stop()
	c.waiting.Wait()
	s := c.store.Load()
	if s == nil {
		s = c.opened // never begun
	}
	if s == nil {
		return nil
	}
	return s.close(ctx)
}
