package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrRefused says that the cluster does not know, or not permit, who asks.
var ErrRefused = errors.New("the cluster refuses")

// DefaultClusterAckTimeout is how long Publish waits for a cluster: its answer
// has to reach Mender, and a load balancer, within a second.
const DefaultClusterAckTimeout = 800 * time.Millisecond

// DialOptions say which cluster, as whom, and which streams on it. Of the ways
// to say as whom, one is enough: CredsFile, NKeyFile, User, Token, a client's
// certificate, or those of the Context.
type DialOptions struct {
	// URLs are the servers to begin with, such as nats://nats-0:4222 or
	// tls://…; the others are learned from them. Without a Context there has
	// to be one at least.
	URLs []string
	// Context is the name of one of the nats command line's contexts, a file
	// in ~/.config/nats/context, or the path of such a file. What is said
	// here too outranks it.
	Context string
	// CredsFile is a file with a user's JWT and seed, as nsc makes it;
	// NKeyFile one with a seed. Both are read again for each connection.
	CredsFile, NKeyFile   string
	User, Password, Token string
	// CAFile is an authority to trust, CertFile and KeyFile a client's
	// certificate.
	CAFile, CertFile, KeyFile string
	// AddCAFile is an authority to trust in addition to CAFile's, or to the
	// system's, on connections that use TLS.
	AddCAFile string
	// Name is what the cluster's operators see of this connection.
	Name string

	// Attach leaves streams that do not exist alone: the error then wraps
	// ErrNoStream.
	Attach bool
	// Failed, where it is set, is told by Dial why an attempt came to nothing
	// that is followed by another.
	Failed func(error)
	// AckTimeout is as in QueueOptions, but DefaultClusterAckTimeout long.
	AckTimeout time.Duration
	// The others are as in QueueOptions.
	Prefix   string
	MaxBytes int64
	Keep     time.Duration
	AckWait  time.Duration
	Replicas int
	Logf     Logf
}

// Cluster is a queue on a JetStream cluster that others run.
type Cluster struct {
	*Queue
	ended sync.Once
}

// Pauses of a connection to a cluster.
const (
	dialTimeout      = 2 * time.Second // for one server
	openTimeout      = 4 * time.Second // for the streams behind a connection; a question may just have got lost
	dialPause        = 250 * time.Millisecond
	clusterReconnect = 100 * time.Millisecond
	// A connection that is cut without a word is given up after the third
	// ping.
	pingInterval = time.Second
	pingsUnheard = 2
)

// Dial connects to a JetStream cluster, and opens the queue on it: its streams
// are made where they are missing, and checked where they are not. While the
// cluster can't be reached, or has no quorum, it is tried again until ctx
// ends; the error then wraps ErrUnavailable. It wraps ErrRefused where the
// cluster does not let this client in, and ErrMisfit where a stream that
// exists can't be used. Once it is open, the queue does not depend on ctx.
func Dial(ctx context.Context, o DialOptions) (*Cluster, error) {
	target, err := o.resolve()
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	var why error // what the last attempt met that was not broken off
	for {
		c, err := target.attempt(ctx)
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

var errTooSlow = errors.New("it did not answer in time")

// attempt is open, but ends when ctx does: nats.go takes its own time to
// connect, and what it then brings is closed.
func (c *cluster) attempt(ctx context.Context) (*Cluster, error) {
	type result struct {
		*Cluster
		err error
	}
	results := make(chan result)
	go func() {
		opened, err := c.open(ctx)
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

// Close ends what this process does with the queue, and the connection. A
// forwarder that was not stopped is broken off. Only the first call does
// something, and none fails; the error is there so that a Cluster closes as a
// Store does.
func (c *Cluster) Close() error {
	c.ended.Do(func() {
		c.breakOff()
		c.Queue.Close()
		closeConn(c.nc)
	})
	return nil
}

// breakOff ends a forwarder that was not stopped.
func (q *Queue) breakOff() {
	if f := q.forwarder.Load(); f != nil {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = f.Stop(ended) // the error says that it was broken off
	}
}
