package listener

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
)

// errNotServing reports that there is nothing to change.
var errNotServing = errors.New("the listener is not running")

// Apply replaces the endpoints while Serve runs, without losing an event. Each must have
// a store or a cluster. If the new endpoints are invalid, or one cannot be opened, the
// current ones continue and Apply returns the reason.
//
// An endpoint with the same name and place of its store continues: its path and its
// secrets are replaced at once, routes that are no longer in Targets end, and new ones
// begin as their From says. The other settings of its store stay as they are, and Recover
// is not called again. If the target or the settings of a route have changed, its
// forwarder is replaced and continues at the same position; attempts in progress have
// the Server's Grace to finish and are then aborted. A route that cannot be changed
// because its store is unavailable is tried again until it is.
//
// The other endpoints are removed: their paths answer 404 at once, their requests and
// attempts in progress finish in the same way, and their stores are closed with all
// events in them. When Apply returns, no delivery begins through a removed route.
//
// Apply closes the targets that it does not use, also if it fails. Calls are serialized.
func (l *Listener) Apply(ctx context.Context, endpoints []Endpoint) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	if err := l.checkApply(endpoints); err != nil {
		for _, e := range endpoints {
			closeAll(newOutlets(e.Targets))
		}
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.serving, cancel)()
	next, err := l.prepare(ctx, endpoints)
	if err != nil {
		return err
	}
	if err := next.start(l.serving); err != nil {
		next.undo()
		return err
	}
	next.commit(ctx)
	return nil
}

func (l *Listener) checkApply(endpoints []Endpoint) error {
	if l.serving == nil || l.serving.Err() != nil {
		return errNotServing
	}
	for _, e := range endpoints {
		if !e.stores() {
			return e.explain(fault.Usagef("there is no store, which changes while events arrive require"))
		}
	}
	return check(endpoints)
}

// plan is the way from the current endpoints of a Listener to the next ones.
type plan struct {
	l       *Listener
	set     *set
	targets []*outlet
	opened  []*endpoint // not in use yet
	changes []*change
	removed []served
}

// changeable is a sink whose targets can change: one with a store.
type changeable interface {
	prepare(ctx context.Context, next []*outlet) (*change, error)
}

// prepare checks and opens whatever the endpoints need, without effect on the current
// ones. If that fails, it undoes it, and closes the targets.
func (l *Listener) prepare(ctx context.Context, endpoints []Endpoint) (*plan, error) {
	current := l.set.Load()
	p := &plan{l: l, removed: slices.Clone(current.all)}
	var all []served
	for i, o := range endpoints {
		targets := newOutlets(o.Targets)
		p.targets = append(p.targets, targets...)
		e, err := p.endpoint(ctx, o, targets)
		if err == nil {
			o.Receiver.Accept, o.Receiver.Observe = e.sink.accept, l.observe(o.Name)
			all = append(all, served{endpoint: e, o: o})
			all[i].receiver, err = l.receiver.With(o.Receiver)
		}
		if err != nil {
			for _, rest := range endpoints[i+1:] {
				p.targets = append(p.targets, newOutlets(rest.Targets)...)
			}
			p.undo()
			return nil, o.explain(err)
		}
	}
	p.set = newSet(current.rest, all)
	return p, nil
}

// endpoint prepares a change of the current endpoint with the same name and place, or
// opens a new one.
func (p *plan) endpoint(ctx context.Context, o Endpoint, targets []*outlet) (*endpoint, error) {
	i := slices.IndexFunc(p.removed, func(e served) bool { return e.name == o.Name && e.place == o.place() })
	if i < 0 {
		e, err := p.l.open(ctx, o, targets)
		if err == nil {
			p.opened = append(p.opened, e)
		}
		return e, err
	}
	e := p.removed[i].endpoint
	change, err := e.sink.(changeable).prepare(ctx, targets)
	if err == nil {
		p.changes = append(p.changes, change)
		p.removed = slices.Delete(p.removed, i, i+1)
	}
	return e, err
}

// start starts the opened endpoints, which get no requests yet.
func (p *plan) start(serving context.Context) error {
	for _, e := range p.opened {
		if err := e.sink.start(serving); err != nil {
			return e.explain(err)
		}
	}
	return nil
}

// undo undoes prepare and start.
func (p *plan) undo() {
	ended, cancel := context.WithCancel(context.Background())
	cancel() // there is nothing to finish
	for _, e := range p.opened {
		_ = e.sink.close(ended) // the error that led here matters more
	}
	for _, c := range p.changes {
		c.undo()
	}
	closeAll(p.targets)
}

// commit makes the next endpoints the current ones.
func (p *plan) commit(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, p.l.o.Server.Grace)
	defer cancel()
	p.l.set.Store(p.set)
	var work sync.WaitGroup
	for _, c := range p.changes {
		work.Go(func() { c.commit(ctx) })
	}
	for _, e := range p.removed {
		work.Go(func() { e.end(ctx) })
	}
	work.Wait()
}
