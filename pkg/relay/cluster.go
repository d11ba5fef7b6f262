package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// cluster is where to connect to, with what nats.go has to know.
type cluster struct {
	urls    string
	name    string
	connect []nats.Option
	queue   QueueOptions
}

// open makes a connection, and opens the queue behind it.
func (c *cluster) open(ctx context.Context) (*Cluster, error) {
	up := new(atomic.Bool) // there is a connection
	up.Store(true)
	ctx, deny := context.WithCancelCause(ctx)
	defer deny(nil)
	nc, err := nats.Connect(c.urls, append(slices.Clip(c.connect), c.lasting(up, deny)...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", connectError(err))
	}
	limited, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	q, err := newQueue(limited, nc, c.queue, 0)
	if err != nil {
		nc.Close()
		if denied := context.Cause(ctx); errors.Is(denied, ErrRefused) {
			return nil, fmt.Errorf("open the queue: %w", denied)
		}
		return nil, err
	}
	// While it reconnects, the connection itself keeps who asks waiting.
	q.barrier = func() error {
		if !up.Load() {
			return publishError(nats.ErrReconnectBufExceeded)
		}
		return nil
	}
	if !c.queue.bind {
		q.maintain(nil)
	}
	return &Cluster{Queue: q}, nil
}

// lasting makes a connection that comes back by itself, whatever happens, and
// says in up whether it is there. deny is told of what is not permitted: a
// question about that gets no answer.
func (c *cluster) lasting(up *atomic.Bool, deny context.CancelCauseFunc) []nats.Option {
	logf := c.queue.Logf
	return []nats.Option{
		nats.Name(c.name),
		nats.Timeout(dialTimeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(clusterReconnect),
		nats.ReconnectJitter(clusterReconnect, clusterReconnect),
		nats.FlusherTimeout(pingInterval), // as long as everybody waits for a network that takes nothing
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(pingsUnheard),
		nats.IgnoreAuthErrorAbort(),
		// Without a server an event is refused at once, not kept in memory.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			up.Store(false)
			if !nc.IsClosed() && err != nil {
				logf("the connection to NATS is lost, no events are taken in: %v", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			up.Store(true)
			logf("the connection to NATS is back")
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) || errors.Is(err, nats.ErrAuthorization) {
				logf("NATS: %v", err)
				deny(fmt.Errorf("%w: %w", ErrRefused, err))
			}
		}),
	}
}

// connectError parts what passes from what does not.
func connectError(err error) error {
	text := err.Error()
	for _, sign := range []string{"x509:", "tls:", "certificate"} {
		if strings.Contains(text, sign) {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	for _, refused := range []error{nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired, nats.ErrSecureConnRequired, nats.ErrSecureConnWanted} {
		if errors.Is(err, refused) {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// within calls f, and returns when ctx ends at the latest: while nats.go makes
// a connection anew, it keeps everybody waiting that asks something.
func within[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	}
}
