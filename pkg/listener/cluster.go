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

// misfitPause is the time between attempts to open a stream that is not usable.
const misfitPause = 10 * time.Second

// clustered stores events on a cluster that may still be unavailable. Until the
// cluster can be reached, it refuses events.
type clustered struct {
	e        *endpoint
	dial     relay.DialOptions
	recovery recoverFunc
	opened   *stored // set by Open; nil if the cluster was unavailable

	// changing is held while the targets change or a store begins to accept events.
	// wanted has the targets until then.
	changing sync.Mutex
	wanted   atomic.Pointer[[]*outlet]

	store   atomic.Pointer[stored] // nil until events are accepted
	reason  atomic.Pointer[error]  // why there is no store
	waiting sync.WaitGroup
	stop    context.CancelFunc // stops waiting for the cluster
	// interrupt ends the present attempt to open the store, if there is one, because
	// the targets have changed.
	interrupt atomic.Pointer[context.CancelFunc]
}

func (e *endpoint) openCluster(ctx context.Context, o relay.DialOptions, targets []*outlet, recovery recoverFunc) (sink, error) {
	c := &clustered{e: e, dial: o, recovery: recovery, stop: func() {}}
	c.wanted.Store(&targets)
	c.dial.Failed, c.dial.Logf = c.missed, e.named(o.Logf)
	c.missed(errOpening)
	patience, cancel := context.WithTimeout(ctx, clusterPatience)
	defer cancel()
	var err error
	c.opened, _, err = c.open(patience)
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

// open opens the store for the current targets, which it returns.
func (c *clustered) open(ctx context.Context) (s *stored, wanted *[]*outlet, err error) {
	wanted = c.wanted.Load()
	dial := c.dial
	dial.Routes = routesOf(*wanted)
	queue, err := relay.Dial(ctx, dial)
	if err != nil {
		return nil, nil, &StoreError{Err: err}
	}
	if s := queue.Stats(); s.Waiting > 0 || s.Dead > 0 {
		c.e.info("on the cluster: %d waiting, %d dead letters", s.Waiting, s.Dead)
	}
	var targets []Target
	if *wanted != nil {
		targets = []Target{}
	}
	for _, t := range *wanted {
		targets = append(targets, t.Target)
	}
	// The store has outlets of its own, because it closes them if it cannot begin.
	return c.e.newStored(queue.Queue, queue.Close, newOutlets(targets), c.recovery), wanted, nil
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

func (c *clustered) targets() []*outlet {
	if s := c.store.Load(); s != nil {
		return s.targets()
	}
	return *c.wanted.Load()
}

// prepare prepares a change of the targets. Until the cluster is available, nothing can
// fail.
func (c *clustered) prepare(ctx context.Context, next []*outlet) (*change, error) {
	c.changing.Lock()
	if s := c.store.Load(); s != nil {
		defer c.changing.Unlock()
		return s.prepare(ctx, next)
	}
	return &change{undo: c.changing.Unlock, commit: func(context.Context) {
		defer c.changing.Unlock()
		closeAll(*c.wanted.Swap(&next))
		if interrupt := c.interrupt.Load(); interrupt != nil {
			(*interrupt)()
		}
	}}, nil
}

// start accepts events at once, or as soon as the cluster is available. It waits
// only while the cluster is unavailable: any other error ends Serve, even later, unless
// there are other endpoints.
func (c *clustered) start(ctx context.Context) error {
	if c.opened != nil {
		err := c.begin(ctx, c.opened, c.wanted.Load())
		if !errors.Is(err, relay.ErrUnavailable) {
			return err
		}
		c.opened = nil
		c.missed(err)
	}
	c.e.warn("%v; events are refused with 503 until the cluster is available", *c.reason.Load())
	ctx, c.stop = context.WithCancel(ctx)
	c.waiting.Go(func() {
		if err := c.await(ctx); err != nil && ctx.Err() == nil {
			c.e.l.fail(err)
		}
	})
	return nil
}

func (c *clustered) await(ctx context.Context) error {
	for warned := ""; ; {
		opening, interrupt := context.WithCancel(ctx)
		c.interrupt.Store(&interrupt)
		s, wanted, err := c.open(opening)
		interrupt()
		if err == nil {
			err = c.begin(ctx, s, wanted)
		}
		switch {
		case err == nil:
			c.e.info("the cluster is available: events are accepted")
			return nil
		case errors.Is(err, errChanged):
			continue
		case ctx.Err() != nil || !errors.Is(err, relay.ErrUnavailable) && c.e.name == "":
			return err
		}
		c.missed(err) // still unavailable, or unavailable again
		if errors.Is(err, relay.ErrUnavailable) {
			continue
		}
		if warned != err.Error() {
			warned = err.Error()
			c.e.warn("%v; its events are refused with 503", err)
		}
		select {
		case <-time.After(misfitPause):
		case <-ctx.Done():
		}
	}
}

// errChanged reports that the targets changed while the store was being opened.
var errChanged = errors.New("the targets have changed")

// begin starts accepting events. If that fails, or the targets have changed since the
// store was opened, it closes the store.
func (c *clustered) begin(ctx context.Context, s *stored, wanted *[]*outlet) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	err := errChanged
	if wanted == c.wanted.Load() {
		err = s.start(ctx)
	}
	if err != nil {
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
		closeAll(*c.wanted.Load())
		return nil
	}
	return s.close(ctx)
}
