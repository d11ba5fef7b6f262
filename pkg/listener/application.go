package listener

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// outlet is a target in use. Replays share it with the forwarding, so that it is closed
// only after both.
type outlet struct {
	Target
	uses   sync.RWMutex    // read-locked by each replay; locked for good once it is closed
	closed context.Context //nolint:containedctx // done when Close is called
	end    context.CancelFunc
	once   sync.Once
}

// newOutlets returns nil for nil, which is not the same as no targets.
func newOutlets(targets []Target) []*outlet {
	if targets == nil {
		return nil
	}
	outlets := make([]*outlet, len(targets))
	for i, t := range targets {
		outlets[i] = &outlet{Target: t}
		outlets[i].closed, outlets[i].end = context.WithCancel(context.Background())
	}
	return outlets
}

// Select implements target.Selective, for a target with a filter.
func (o *outlet) Select(ctx context.Context, e target.Event) target.Result {
	if s, ok := o.Target.Target.(target.Selective); ok {
		return s.Select(ctx, e)
	}
	return target.Result{}
}

// Close implements target.Target. It aborts replays. Calls after the first have no
// effect.
func (o *outlet) Close() (err error) {
	o.once.Do(func() {
		o.end()
		o.uses.Lock() // and never unlocked
		err = o.Target.Close()
	})
	return err
}

func closeAll(targets []*outlet) {
	for _, t := range targets {
		_ = t.Close() // a failure loses no events
	}
}

var errTargetClosed = errors.New("the target is no longer in use")

// replay makes an attempt that is not part of the forwarding.
func (o *outlet) replay(ctx context.Context, e target.Event) target.Result {
	if !o.uses.TryRLock() {
		return target.Result{Err: errTargetClosed}
	}
	defer o.uses.RUnlock()
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(o.closed, cancel)()
	defer cancel()
	return o.Deliver(ctx, e)
}

// Application returns a target that delivers an event to each of the current targets of
// an endpoint, one after the other, and reports the first failure. Use it to send an
// event again, and get it again for each event, since Apply changes the targets. It
// returns nil without targets. Closing it does nothing: the Listener closes its targets.
func (l *Listener) Application(endpoint string) target.Target {
	e := l.set.Load().named(endpoint)
	if e == nil || len(e.sink.targets()) == 0 {
		return nil
	}
	return application(e.sink.targets())
}

type application []*outlet

// errExcluded is the result of sending an event again that no target wants.
var errExcluded = errors.New("not sent: the filter of each route excludes the event")

// Deliver implements target.Target.
func (a application) Deliver(ctx context.Context, event target.Event) target.Result {
	result := target.Result{Skipped: true, Err: errExcluded}
	for _, t := range a {
		r := t.replay(ctx, event)
		if r.Err != nil && len(a) > 1 {
			r.Err = fmt.Errorf("%s: %w", t.Route.Name, r.Err)
		}
		took := result.Duration + r.Duration
		excluded := r.Skipped && r.Err == nil
		if !excluded && (result.Err == nil || result.Skipped) {
			result = r
		}
		result.Duration = took
	}
	return result
}

// String implements target.Target.
func (a application) String() string {
	names := make([]string, len(a))
	for i, t := range a {
		names[i] = t.String()
	}
	return strings.Join(names, ", ")
}

// Close implements target.Target.
func (application) Close() error { return nil }
