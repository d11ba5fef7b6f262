// Package listener runs a complete webhook endpoint: it receives deliveries,
// stores or forwards their events, and reports each step to subscribers.
//
//	l, err := listener.Open(ctx, listener.Options{Store: &relay.StoreOptions{Dir: dir}})
//	…
//	events := l.Hub().Subscribe(listener.SubscribeOptions{})
//	go show(events)
//	err = l.Serve(ctx, openPorts) // until ctx is done
package listener

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Options are the settings of a Listener. Without Store, Cluster and Targets,
// events are answered with 204 and then dropped.
type Options struct {
	// Receiver and Server are the settings of the HTTP side. Open sets Accept,
	// Observe and Handler.
	Receiver receiver.Options
	Server   receiver.ServerOptions
	// Store, if set, stores events in a directory before they are answered.
	Store *relay.StoreOptions
	// Cluster, if set, stores events on a JetStream cluster instead. While the
	// cluster cannot be reached, events are refused with 503.
	Cluster *relay.DialOptions
	// Targets are the applications that events are forwarded to: from the store or,
	// without a store, before they are answered. Without a store, there is at most
	// one. Without targets, events are not forwarded. The Listener closes them.
	Targets []Target
	// AnswerFirst, without a store, answers each event with 204 at once and then
	// makes a single attempt to forward it, Forward.Concurrency of them at a time. If
	// the attempt fails, the event is lost.
	AnswerFirst bool
	// Forward holds the settings for forwarding stored events. The Listener sets
	// Route, Target and Observe.
	Forward relay.ForwardOptions
	// DirectTimeout is how long the target may take to answer if there is no
	// store; 0 means 9 s.
	DirectTimeout time.Duration
	// Recover, if set, is called with the open queue before the first event is
	// received. It may continue in the background until ctx is done, and closes
	// done when it has finished.
	Recover func(ctx context.Context, queue *relay.Queue) (done <-chan struct{}, err error)
	// Info and Warn log messages. They must not block.
	Info, Warn func(format string, args ...any)
}

// Target is an application and the route to it. Its position in the store belongs to
// the route.
type Target struct {
	// Route is the name of the route; empty means relay.DefaultRoute. See
	// relay.CheckRoute.
	Route string
	target.Target
}

// routes returns the routes to the targets.
func (o *Options) routes() (routes []relay.Route) {
	for i, t := range o.Targets {
		if t.Route == "" {
			o.Targets[i].Route = relay.DefaultRoute
		}
		routes = append(routes, relay.Route{Name: o.Targets[i].Route})
	}
	return routes
}

// secretWatch is how often a Listener checks for changed secrets, whether or not
// requests arrive.
const secretWatch = 100 * time.Millisecond

// closeTime is how long closing the store may take after the grace period.
const closeTime = 500 * time.Millisecond

// StoreError reports that the store or the cluster could not be opened.
type StoreError struct{ Err error }

func (e *StoreError) Error() string { return e.Err.Error() }

// Unwrap returns the cause, one of pkg/relay's errors.
func (e *StoreError) Unwrap() error { return e.Err }

// Listener is a webhook endpoint. Create it with Open, and call Serve only once.
type Listener struct {
	o       Options
	hub     Hub
	sink    sink
	rc      *receiver.Receiver
	server  *receiver.Server
	failure atomic.Pointer[error]
	log     *Log               // nil without one
	stop    context.CancelFunc // makes Serve end; set by Serve
}

// Open returns a Listener and opens its store, if it has one. It returns a
// *StoreError if the store cannot be opened, and a *fault.Error of kind Usage if
// the options are invalid.
func Open(ctx context.Context, o Options) (*Listener, error) {
	if o.Server.Grace == 0 {
		o.Server.Grace = receiver.DefaultGrace
	}
	l := &Listener{o: o, stop: func() {}}
	var err error
	if l.sink, err = l.openSink(ctx); err != nil {
		return nil, err
	}
	o.Receiver.Accept = l.sink.accept
	o.Receiver.Observe = func(x receiver.Exchange) {
		if l.hub.isWatched() || l.log.needs(&x) {
			l.hub.publish(Received{x})
		}
	}
	if l.rc, err = receiver.New(o.Receiver); err != nil {
		return nil, errors.Join(err, l.sink.close(ctx))
	}
	o.Server.Handler = l.rc
	l.server = receiver.NewServer(o.Server)
	return l, nil
}

// Hub returns the hub that publishes events. It is closed when Serve ends.
func (l *Listener) Hub() *Hub { return &l.hub }

// Count returns how many requests have had the verdict so far.
func (l *Listener) Count(v webhook.Verdict) uint64 { return l.rc.Count(v) }

// Queue returns the queue, or nil without a store and while the cluster is
// unavailable.
func (l *Listener) Queue() *relay.Queue { return l.sink.relayQueue() }

// Stats returns the statistics of the queue. ok is false if Queue returns nil.
func (l *Listener) Stats() (s relay.Stats, ok bool) { return l.sink.stats() }

// Ports are the sockets that a Listener serves. Events is required.
type Ports struct {
	Events []net.Listener
	// Monitor serves /metrics, /healthz and /readyz; nil serves none of them.
	Monitor net.Listener
}

// Serve receives events until ctx is done, and then finishes the requests and
// attempts in progress. It calls open only once it can answer events, since a
// delivery that waits on an open port uses up Mender's limit of 10 s.
//
// After ctx is done, Serve returns within Grace plus about two seconds. It
// returns nil, an error if requests took longer, or the reason if it ended for
// another cause. It closes the ports and the store.
func (l *Listener) Serve(ctx context.Context, open func() (Ports, error)) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx)) // whatever the cause
	defer stop()
	var stopped atomic.Pointer[time.Time]
	context.AfterFunc(serving, func() { now := time.Now(); stopped.CompareAndSwap(nil, &now) })
	context.AfterFunc(ctx, stop)
	l.stop = stop
	err := l.sink.start(serving)
	var ports Ports
	if err == nil {
		ports, err = open()
	}
	if err == nil {
		unmonitor := l.monitor(ports.Monitor)
		defer unmonitor()
		go l.watchSecrets(serving)
		err = l.server.Serve(serving, ports.Events...)
	}
	stop()
	end := time.Now()
	if at := stopped.Load(); at != nil {
		end = *at
	}
	closing, cancel := context.WithDeadline(context.Background(), end.Add(l.o.Server.Grace+closeTime))
	defer cancel()
	if failure := l.failure.Load(); failure != nil {
		err = errors.Join(err, *failure)
	}
	return errors.Join(err, l.close(closing))
}

// close closes the store. Attempts in progress may continue until ctx is done.
func (l *Listener) close(ctx context.Context) error {
	defer l.hub.close()
	closed := make(chan error, 1)
	go func() { closed <- l.sink.close(ctx) }()
	select {
	case err := <-closed:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-closed:
		return err
	case <-time.After(closeTime / 2):
		return errors.New("the store did not close in time")
	}
}

// fail makes Serve end and return err.
func (l *Listener) fail(err error) {
	l.failure.CompareAndSwap(nil, &err)
	l.stop()
}

// watchSecrets checks for changed secrets until ctx is done. If only requests
// triggered the check, several requests that arrive at once with a new secret
// would be verified against the old one.
func (l *Listener) watchSecrets(ctx context.Context) {
	if l.o.Receiver.Secrets == nil {
		return
	}
	ticks := time.NewTicker(secretWatch)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			l.o.Receiver.Secrets()
		}
	}
}
