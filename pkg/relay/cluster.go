package relay

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay/cluster"
)

// ErrRefused is cluster.ErrRefused.
var ErrRefused = cluster.ErrRefused

// DialOptions select a cluster, credentials, and the streams on it.
type DialOptions = cluster.Options

// DefaultClusterAckTimeout is how long Publish waits for a cluster. It is short
// because the answer must reach Mender, or a load balancer, within a second.
const DefaultClusterAckTimeout = 800 * time.Millisecond

// Timing of Dial.
const (
	openTimeout = 4 * time.Second // for the streams after connecting; a request may have been lost
	dialPause   = 250 * time.Millisecond
)

// Cluster is a queue on a JetStream cluster that is not part of this process.
type Cluster struct {
	*Queue
	ended sync.Once
}

var errTooSlow = errors.New("the server did not answer in time")

// Dial connects to a JetStream cluster and opens the queue on it. It creates
// missing streams and checks existing ones. If the cluster is unreachable or has no
// quorum, Dial tries again until ctx is done; the error then wraps ErrUnavailable.
// It wraps ErrRefused if the cluster rejects the client, ErrMisfit if a stream is
// not usable, and ErrNoStream if one is missing and Attach is set. The open queue
// does not depend on ctx.
func Dial(ctx context.Context, o DialOptions) (*Cluster, error) {
	d, err := newDialer(o)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	var why error // error of the last attempt that failed before ctx ended
	for {
		c, err := d.attempt(ctx)
		switch {
		case err == nil || !errors.Is(err, ErrUnavailable):
			return c, err
		case ctx.Err() == nil || why == nil:
			why = err
		}
		if o.Failed != nil && ctx.Err() == nil {
			o.Failed(why)
		}
		select {
		case <-time.After(dialPause):
		case <-ctx.Done():
			return nil, why
		}
	}
}

type dialer struct {
	server cluster.Server
	queue  QueueOptions
}

func newDialer(o DialOptions) (*dialer, error) {
	d := &dialer{queue: QueueOptions{
		Prefix: o.Prefix, MaxBytes: o.MaxBytes, Keep: o.Keep, AckWait: o.AckWait, Replicas: o.Replicas, Routes: o.Routes, Logf: o.Logf,
		AckTimeout: orElse(o.AckTimeout, DefaultClusterAckTimeout), bind: o.Attach,
	}.withDefaults()}
	if !regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`).MatchString(d.queue.Prefix) {
		return nil, fmt.Errorf("invalid subject prefix %q: must be words of letters, digits, - and _, separated by dots", d.queue.Prefix)
	}
	var err error
	d.server, err = o.Resolve()
	d.queue.Domain, d.queue.APIPrefix = d.server.Domain, d.server.APIPrefix
	return d, err
}

// attempt calls open, but returns as soon as ctx is done, which nats.go ignores while
// it connects. A queue that opens too late is closed.
func (d *dialer) attempt(ctx context.Context) (*Cluster, error) {
	type result struct {
		*Cluster
		err error
	}
	results := make(chan result)
	go func() {
		opened, err := d.open(ctx)
		select {
		case results <- result{opened, err}:
		case <-ctx.Done():
			if err == nil {
				_ = opened.Close() // never fails
			}
		}
	}()
	select {
	case r := <-results:
		return r.Cluster, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("connect to NATS: %w: %w", ErrUnavailable, errTooSlow)
	}
}

// open connects, and opens the queue on the connection.
func (d *dialer) open(ctx context.Context) (*Cluster, error) {
	up := new(atomic.Bool) // connected
	up.Store(true)
	ctx, deny := context.WithCancelCause(ctx)
	defer deny(nil)
	nc, err := d.server.Connect(cluster.Events{Logf: d.queue.Logf, Up: up.Store, Denied: deny})
	if err != nil {
		if !errors.Is(err, ErrRefused) {
			err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	q, err := newQueue(limited, nc, d.queue, positions{})
	if err != nil {
		nc.Close()
		if denied := context.Cause(ctx); errors.Is(denied, ErrRefused) {
			return nil, fmt.Errorf("open the queue: %w", denied)
		}
		return nil, err
	}
	// A connection that reconnects blocks its callers.
	q.barrier = func() error {
		if !up.Load() {
			return publishError(nats.ErrReconnectBufExceeded)
		}
		return nil
	}
	q.read = q.readsOnCluster()
	if !d.queue.bind {
		q.maintain(nil)
	}
	return &Cluster{Queue: q}, nil
}

// Close stops the queue's upkeep and closes the connection. It interrupts a
// forwarder that was not stopped. Further calls do nothing. The error is always
// nil, and exists so that a Cluster closes as a Store does.
func (c *Cluster) Close() error {
	c.ended.Do(func() {
		c.interruptForwarders()
		c.Queue.Close()
		closeConn(c.nc)
	})
	return nil
}

// interruptForwarders interrupts the forwarders that were not stopped.
func (q *Queue) interruptForwarders() {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, r := range q.routes() {
		if f := r.forwarder.Load(); f != nil {
			_ = f.Stop(ended) // reports the interruption
		}
	}
}

// within calls f, but returns as soon as ctx is done, because nats.go blocks callers
// while it reconnects.
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
