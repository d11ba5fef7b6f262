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

// clustered stores events on a cluster that may still be unavailable. Until the
// cluster can be reached, it refuses events.
type clustered struct {
	l      *Listener
	dial   relay.DialOptions
	opened *stored // set by Open; nil if the cluster was unavailable

	store   atomic.Pointer[stored] // nil until events are accepted
	reason  atomic.Pointer[error]  // why there is no store
	waiting sync.WaitGroup
	stop    context.CancelFunc // stops waiting for the cluster
}

func (l *Listener) openCluster(ctx context.Context) (sink, error) {
	c := &clustered{l: l, dial: *l.o.Cluster, stop: func() {}}
	c.dial.Routes = l.o.routes()
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

var errOpening = fmt.Errorf("%w: still connecting", relay.ErrUnavailable)

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

func (c *clustered) relayQueue() *relay.Queue {
	if s := c.store.Load(); s != nil {
		return s.queue
	}
	return nil
}

// start accepts events at once, or as soon as the cluster is available. It waits
// only while the cluster is unavailable: any other error ends Serve, even later.
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
		c.missed(err) // still unavailable, or unavailable again
	}
}

// begin starts accepting events. If that fails, it closes the store.
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
		s = c.opened // opened, but never started
	}
	if s == nil {
		return nil
	}
	return s.close(ctx)
}
