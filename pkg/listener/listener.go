// Package listener runs webhook endpoints: it receives deliveries, stores or forwards
// their events, and reports each step to subscribers.
//
//	l, err := listener.Open(ctx, listener.Options{
//		Endpoints: []listener.Endpoint{{Store: &relay.StoreOptions{Dir: dir}}},
//	})
//	…
//	events := l.Hub().Subscribe(listener.SubscribeOptions{})
//	go show(events)
//	err = l.Serve(ctx, openPorts) // until ctx is done
package listener

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Options are the settings of a Listener.
type Options struct {
	// Endpoints are the webhooks to receive: one, or several with a name and a path
	// each.
	Endpoints []Endpoint
	// Server has the settings of the HTTP server. Open sets Handler.
	Server receiver.ServerOptions
	// Info and Warn log messages. They must not block.
	Info, Warn func(format string, args ...any)
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

// Listener runs webhook endpoints. Create it with Open, and call Serve only once.
type Listener struct {
	o        Options
	hub      Hub
	receiver *receiver.Receiver // for requests to no endpoint; shares its counts with the endpoints
	server   *receiver.Server
	failure  atomic.Pointer[error]
	log      *Log               // nil without one
	stop     context.CancelFunc // makes Serve end; set by Serve

	// set has the endpoints. changing is held while it changes, and while they are
	// closed.
	set      atomic.Pointer[set]
	changing sync.Mutex
	serving  context.Context //nolint:containedctx // nil until Serve, then done when it stops; under changing
}

// Open returns a Listener and opens the stores of its endpoints. It returns a
// *StoreError if a store cannot be opened, and a *fault.Error of kind Usage if the
// options are invalid.
func Open(ctx context.Context, o Options) (*Listener, error) {
	if o.Server.Grace == 0 {
		o.Server.Grace = receiver.DefaultGrace
	}
	if err := check(o.Endpoints); err != nil {
		return nil, err
	}
	l := &Listener{o: o, stop: func() {}}
	var err error
	rejecting := receiver.Options{NotFound: true, Observe: l.observe("")}
	for _, e := range o.Endpoints {
		rejecting.MaxBody = max(rejecting.MaxBody, e.Receiver.MaxBody)
	}
	if l.receiver, err = receiver.New(rejecting); err != nil {
		return nil, err
	}
	l.set.Store(&set{rest: l.receiver})
	next, err := l.prepare(ctx, o.Endpoints)
	if err != nil {
		return nil, err
	}
	l.set.Store(next.set)
	o.Server.Handler = http.HandlerFunc(l.serveHTTP)
	l.server = receiver.NewServer(o.Server)
	return l, nil
}

// observe returns a function that publishes the exchanges of an endpoint.
func (l *Listener) observe(endpoint string) func(receiver.Exchange) {
	return func(x receiver.Exchange) {
		if l.hub.isWatched() || l.log.needs(&x) {
			l.hub.publish(Received{Exchange: x, Endpoint: endpoint})
		}
	}
}

// Hub returns the hub that publishes events. It is closed when Serve ends.
func (l *Listener) Hub() *Hub { return &l.hub }

// Count returns how many requests have had the verdict so far.
func (l *Listener) Count(v webhook.Verdict) uint64 { return l.receiver.Count(v) }

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
// another cause. It closes the ports and the stores.
func (l *Listener) Serve(ctx context.Context, open func() (Ports, error)) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx)) // whatever the cause
	defer stop()
	var stopped atomic.Pointer[time.Time]
	context.AfterFunc(serving, func() { now := time.Now(); stopped.CompareAndSwap(nil, &now) })
	context.AfterFunc(ctx, stop)
	l.stop = stop
	err := l.start(serving)
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

// start starts the work of all endpoints. From then on, Apply can change them.
func (l *Listener) start(serving context.Context) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	for _, e := range l.set.Load().all {
		if err := e.sink.start(serving); err != nil {
			return e.explain(err)
		}
	}
	l.serving = serving
	return nil
}

// close closes the stores. Attempts in progress may continue until ctx is done.
func (l *Listener) close(ctx context.Context) error {
	defer l.hub.close()
	closed := make(chan error, 1)
	go func() {
		l.changing.Lock()
		defer l.changing.Unlock()
		closed <- errors.Join(each(l.set.Load().all, func(e served) error { return e.explain(e.sink.close(ctx)) })...)
	}()
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

// each calls a function for all endpoints at the same time, and returns its results.
func each(all []served, call func(served) error) []error {
	results := make([]error, len(all))
	var calls sync.WaitGroup
	for i, e := range all {
		calls.Go(func() { results[i] = call(e) })
	}
	calls.Wait()
	return results
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
	ticks := time.NewTicker(secretWatch)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		for _, e := range l.set.Load().all {
			if e.o.Receiver.Secrets != nil {
				e.o.Receiver.Secrets()
			}
		}
	}
}

// Queue returns the queue of an endpoint, or nil without a store, while the cluster is
// unavailable, and if there is no such endpoint.
func (l *Listener) Queue(endpoint string) *relay.Queue {
	if e := l.set.Load().named(endpoint); e != nil {
		return e.sink.relayQueue()
	}
	return nil
}
