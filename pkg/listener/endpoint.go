package listener

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Endpoint is a webhook to receive, with secrets, a store and targets of its own.
// Without Store, Cluster and Targets, events are answered with 204 and then dropped.
type Endpoint struct {
	// Name identifies the endpoint: see CheckEndpoint. It is in each of its events and
	// metrics. Only a single endpoint may have none.
	Name string
	// Receiver has the settings of the HTTP side. The Listener sets Accept and
	// Observe. With a Name, Path is required. It must match exactly; requests to
	// other paths are answered with 404.
	Receiver receiver.Options
	// Store, if set, stores events in a directory before they are answered. The
	// Listener sets Routes.
	Store *relay.StoreOptions
	// Cluster, if set, stores events on a JetStream cluster instead. While the
	// cluster cannot be reached, events are refused with 503. The Listener sets Routes.
	Cluster *relay.DialOptions
	// Targets are the applications that events are forwarded to: from the store or,
	// without a store, before they are answered. Without a store, there is at most
	// one. Without targets, events are not forwarded: if Targets is nil, they wait in
	// the store for the routes that it has; if it is empty, the store has no routes.
	// The Listener closes the targets.
	Targets []Target
	// AnswerFirst, without a store, answers each event with 204 at once and then
	// makes a single attempt to forward it, as many at a time as the target's
	// Forward.Concurrency. If the attempt fails, the event is lost.
	AnswerFirst bool
	// DirectTimeout is how long the target may take to answer if there is no
	// store; 0 means 9 s.
	DirectTimeout time.Duration
	// Recover, if set, is called with the open queue before the first event is
	// received. It may continue in the background until ctx is done, and closes
	// done when it has finished.
	Recover func(ctx context.Context, queue *relay.Queue) (done <-chan struct{}, err error)
}

type recoverFunc = func(ctx context.Context, queue *relay.Queue) (done <-chan struct{}, err error)

// Target is an application and the route to it. Its position in the store belongs to
// the name of the route.
type Target struct {
	// Route is the route; an empty name means relay.DefaultRoute.
	Route relay.Route
	// Forward has the settings for forwarding stored events. The Listener sets Route,
	// Target and Observe.
	Forward relay.ForwardOptions
	// Settings are the settings that the embedded Target was created from. If they,
	// Route and Forward are deeply equal to the current ones, Apply leaves the route
	// as it is. nil is never equal.
	Settings any
	target.Target
}

// storeFolder is a folder within a store. A store in the same place with its name
// would damage it.
const storeFolder = "jetstream"

// CheckEndpoint returns an error if a text is not a valid name of an endpoint.
func CheckEndpoint(name string) error {
	switch {
	case !relay.ValidName(name):
		return fmt.Errorf("invalid endpoint %q: must be up to 32 lower-case letters, digits, - and _", name)
	case name == storeFolder:
		return fmt.Errorf("invalid endpoint %q: this is the name of a folder in each store", name)
	}
	return nil
}

// check returns a usage error if the endpoints are invalid or contradict each other. It
// names the routes of targets without a name.
func check(endpoints []Endpoint) error {
	if len(endpoints) == 0 {
		return fault.Usagef("no endpoint: at least one is required")
	}
	names, paths, places := map[string]bool{}, map[string]string{}, map[place]string{}
	for _, e := range endpoints {
		if e.Name == "" && len(endpoints) > 1 {
			return fault.Usagef("an endpoint has no name: with several endpoints, each requires one")
		}
		if names[e.Name] {
			return fault.Usagef("the endpoint %s is given twice", e.Name)
		}
		names[e.Name] = true
		if err := e.check(); err != nil {
			return e.explain(err)
		}
		if other, ok := paths[e.Receiver.Path]; ok {
			return fault.Usagef("the endpoints %s and %s have the same path %s", other, e.Name, e.Receiver.Path)
		}
		paths[e.Receiver.Path] = e.Name
		if other, ok := places[e.place()]; ok && e.stores() {
			return fault.Usagef("the endpoints %s and %s have the same store", other, e.Name)
		}
		places[e.place()] = e.Name
	}
	return nil
}

// check checks an endpoint without regard to others.
func (e *Endpoint) check() error {
	if e.Name != "" {
		if err := CheckEndpoint(e.Name); err != nil {
			return &fault.Error{Kind: fault.Usage, Err: err}
		}
		if u, err := url.ParseRequestURI(e.Receiver.Path); err != nil || u.Path != e.Receiver.Path {
			return fault.Usagef("invalid path %q: must begin with a slash, and have no query and no escapes", e.Receiver.Path)
		}
	}
	if len(e.Targets) > 1 && !e.stores() {
		return fault.Usagef("%d targets without a store: Mender gets only one answer", len(e.Targets))
	}
	routes := map[string]bool{}
	for i := range e.Targets {
		t := &e.Targets[i]
		if t.Route.Name == "" {
			t.Route.Name = relay.DefaultRoute
		}
		switch f := t.Forward; {
		case relay.CheckRoute(t.Route.Name) != nil:
			return &fault.Error{Kind: fault.Usage, Err: relay.CheckRoute(t.Route.Name)}
		case routes[t.Route.Name]:
			return fault.Usagef("the route %s is given twice", t.Route.Name)
		case f.Concurrency < 0 || f.MaxAttempts < 0 || f.MaxAge < 0:
			return fault.Usagef("route %s: concurrency, attempts and age must not be negative", t.Route.Name)
		}
		routes[t.Route.Name] = true
	}
	return nil
}

func (e *Endpoint) stores() bool { return e.Store != nil || e.Cluster != nil }

// place is where an endpoint stores its events.
type place struct {
	cluster bool
	name    string // a folder, or the prefix of subjects
}

func (e *Endpoint) place() place {
	switch {
	case e.Store != nil:
		return place{name: filepath.Clean(e.Store.Dir)}
	case e.Cluster != nil:
		return place{cluster: true, name: cmp.Or(e.Cluster.Prefix, relay.DefaultPrefix)}
	}
	return place{}
}

// explain adds the endpoint's name to an error.
func (e *Endpoint) explain(err error) error { return explain(e.Name, err) }

func explain(endpoint string, err error) error {
	if endpoint == "" || err == nil {
		return err
	}
	return fmt.Errorf("endpoint %s: %w", endpoint, err)
}

// endpoint is an endpoint with an open sink. Apply changes its targets, and replaces
// its receiver.
type endpoint struct {
	l     *Listener
	name  string
	place place
	sink  sink
	// requests is read-locked by each request. Once it is locked, the endpoint accepts
	// no more, and its sink can be closed.
	requests sync.RWMutex
}

// open opens the sink of an endpoint.
func (l *Listener) open(ctx context.Context, o Endpoint, targets []*outlet) (e *endpoint, err error) {
	e = &endpoint{l: l, name: o.Name, place: o.place()}
	e.sink, err = e.openSink(ctx, o, targets)
	return e, err
}

func (e *endpoint) explain(err error) error { return explain(e.name, err) }

// end waits for the requests in progress, after which there are no others, and closes
// the sink. Attempts in progress may continue until ctx is done.
func (e *endpoint) end(ctx context.Context) {
	e.requests.Lock() // and never unlocked
	if err := e.sink.close(ctx); err != nil {
		e.warn("%v", err)
	}
	if s, ok := e.sink.stats(); ok {
		e.info("removed; in its store: %d waiting, %d dead letters", s.Waiting, s.Dead)
	}
}

// info and warn log a message about the endpoint.
func (e *endpoint) info(format string, args ...any) { e.l.o.Info(e.naming(format), args...) }
func (e *endpoint) warn(format string, args ...any) { e.l.o.Warn(e.naming(format), args...) }

// naming adds the endpoint's name, which has no special characters, to a format.
func (e *endpoint) naming(format string) string {
	if e.name == "" {
		return format
	}
	return "endpoint " + e.name + ": " + format
}

// named returns a logger that adds the endpoint's name.
func (e *endpoint) named(logf relay.Logf) relay.Logf {
	if e.name == "" || logf == nil {
		return logf
	}
	return func(format string, args ...any) { logf(e.naming(format), args...) }
}

// set is the endpoints of a listener at a time. It does not change.
type set struct {
	all    []served          // in the order of the options
	byPath map[string]served // nil if there is one without a name, which gets all requests
	rest   *receiver.Receiver
}

// served is an endpoint with its current settings.
type served struct {
	*endpoint
	o        Endpoint
	receiver *receiver.Receiver
}

func newSet(rest *receiver.Receiver, all []served) *set {
	s := &set{all: all, rest: rest}
	if len(all) == 1 && all[0].name == "" {
		return s
	}
	s.byPath = map[string]served{}
	for _, e := range all {
		s.byPath[e.o.Receiver.Path] = e
	}
	return s
}

// named returns the endpoint with the name, or nil.
func (s *set) named(name string) *served {
	for i := range s.all {
		if s.all[i].name == name {
			return &s.all[i]
		}
	}
	return nil
}

// at returns the endpoint that gets the requests to a path.
func (s *set) at(path string) (e served, ok bool) {
	if s.byPath == nil && len(s.all) == 1 {
		return s.all[0], true
	}
	e, ok = s.byPath[path]
	return e, ok
}

// serveHTTP passes a request to the endpoint of its path.
func (l *Listener) serveHTTP(w http.ResponseWriter, r *http.Request) {
	for {
		s := l.set.Load()
		e, ok := s.at(r.URL.Path)
		if !ok {
			s.rest.ServeHTTP(w, r)
			return
		}
		if e.serve(w, r) {
			return
		}
		// It was removed just now, so the next set does not have it.
	}
}

// serve reports whether it has answered the request.
func (e *served) serve(w http.ResponseWriter, r *http.Request) bool {
	if !e.requests.TryRLock() {
		return false
	}
	defer e.requests.RUnlock()
	e.receiver.ServeHTTP(w, r)
	return true
}

// Endpoints returns the names of the current endpoints, in their order; a single
// endpoint may have an empty one.
func (l *Listener) Endpoints() []string {
	var names []string
	for _, e := range l.set.Load().all {
		names = append(names, e.name)
	}
	return names
}

// Secrets returns the current secrets of an endpoint; none if there is no such
// endpoint.
func (l *Listener) Secrets(endpoint string) []webhook.Secret {
	if e := l.set.Load().named(endpoint); e != nil && e.o.Receiver.Secrets != nil {
		return e.o.Receiver.Secrets()
	}
	return nil
}

// Stats returns what the statistics of all queues add up to: Waiting and Dead, the
// greatest OldestAge, and Available if all are. ok is false if there is no queue.
func (l *Listener) Stats() (sum relay.Stats, ok bool) {
	for _, e := range l.set.Load().all {
		s, open := e.sink.stats()
		if !open {
			continue
		}
		sum.Available = s.Available && (sum.Available || !ok)
		sum.Waiting, sum.Dead = sum.Waiting+s.Waiting, sum.Dead+s.Dead
		sum.OldestAge = max(sum.OldestAge, s.OldestAge)
		ok = true
	}
	return sum, ok
}

// statsOf returns the statistics of the queue of an endpoint, if it has one.
func (l *Listener) statsOf(endpoint string) (relay.Stats, bool) {
	if e := l.set.Load().named(endpoint); e != nil {
		return e.sink.stats()
	}
	return relay.Stats{}, false
}
