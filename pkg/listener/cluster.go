package listener

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// clusterPatience is how long Open waits for a cluster that cannot be reached,
// or has no quorum.
const clusterPatience = 2 * time.Second

// clustered is a store on a cluster that may not be there yet: until it is,
// events are refused.
type clustered struct {
	l      *Listener
	dial   relay.DialOptions
	opened *stored // by Open; nil if the cluster was not there

	store   atomic.Pointer[stored] // nil until events are accepted
	reason  atomic.Pointer[error]  // why there is no store
	waiting sync.WaitGroup
	stop    context.CancelFunc // ends the waiting
}

func (l *Listener) openCluster(ctx context.Context) (sink, error) {
	c := &clustered{l: l, dial: *l.o.Cluster, stop: func() {}}
	c.dial.Failed = c.missed
	c.missed(errOpening)
	patience, cancel := context.WithTimeout(ctx, clusterPatience)
	defer cancel()
	var err error
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

// missed records why there is no store.
func (c *clustered) missed(err error) { c.reason.Store(&err) }

func (c *clustered) open(ctx context.Context) (*stored, error) {
	queue, err := relay.Dial(ctx, c.dial)
	if err != nil {
		return nil, &StoreError{Err: err}
	}
	if s := queue.Stats(); s.Waiting > 0 || s.Dead > 0 {
		c.l.o.Info("on the cluster: %d waiting, %d dead letters", s.Waiting, s.Dead)
	}
	return &stored{l: c.l, queue: queue.Queue, release: queue.Close}, nil
}

func (c *clustered) accept(ctx context.Context, r *receiver.Request) receiver.Answer {
	if s := c.store.Load(); s != nil {
		return s.accept(ctx, r)
	}
	return unavailable(*c.reason.Load())
}

func (c *clustered) ready(ctx context.Context) error {
	if s := c.store.Load(); s != nil {
		return s.ready(ctx)
	}
	return *c.reason.Load()
}

func (c *clustered) stats() (relay.Stats, bool) {
	if s := c.store.Load(); s != nil {
		return s.stats()
	}
	return relay.Stats{}, false
}

// start begins at once, or as soon as the cluster is there. An error that
// waiting does not mend makes Serve end, now or then.
func (c *clustered) start(ctx context.Context) error {
	if c.opened != nil {
		err := c.begin(ctx, c.opened)
		if !errors.Is(err, relay.ErrUnavailable) {
			return err
		}
		c.opened = nil
		c.missed(err)
	}
	c.l.o.Warn("%v; events are refused with 503 until the cluster is available", *c.reason.Load())
	ctx, c.stop = context.WithCancel(ctx)
	c.waiting.Go(func() {
		if err := c.await(ctx); err != nil && ctx.Err() == nil {
			c.l.fail(err)
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
			c.l.o.Info("the cluster is available: events are accepted")
			return nil
		case ctx.Err() != nil || !errors.Is(err, relay.ErrUnavailable):
			return err
		}
		c.missed(err) // it went away again
	}
}

// begin accepts events from now on. If that fails the store is closed.
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
