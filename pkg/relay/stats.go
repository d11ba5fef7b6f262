package relay

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// Stats are figures for monitoring. The state of the queue is up to a second old;
// counters start when the queue is opened.
type Stats struct {
	Waiting   uint64        // events not yet delivered
	OldestAge time.Duration // of the oldest waiting event; 0 if none waits
	Dead      uint64        // dead letters now
	Bytes     uint64        // size of waiting and retained events
	MaxBytes  int64         // limit of Bytes
	Routes    []RouteStats
	Available bool // events can be stored, as far as is known without storing one

	Stored, Duplicates, Refused uint64 // publishes by outcome; refused ones are Full or Unavailable
	Forwarded, Failed           uint64 // attempts by outcome
	Died                        uint64 // events that became dead letters
	// ForwardTime is the sum of the durations of all attempts, until the headers
	// of the answer.
	ForwardTime time.Duration

	oldest time.Time
}

// RouteStats are the figures of one route.
type RouteStats struct {
	Name      string
	Waiting   uint64        // events that the route has not settled
	OldestAge time.Duration // of its oldest waiting event; 0 if none waits
	// Skipped counts the events that the target did not want, and FilterErrors those
	// for which it failed to find that out.
	Skipped, FilterErrors uint64
	// GivenUp counts the events, and the dead letters, that made room for new ones.
	GivenUp uint64

	oldest time.Time
}

type counters struct {
	stored, duplicate, refused atomic.Uint64
	ok, failed, died           atomic.Uint64
	nanos                      atomic.Int64
	dead                       atomic.Int64 // upper bound of the current number of dead letters

	mu     sync.Mutex
	routes map[string]*routeCounters
}

// routeCounters outlive the route, which may return.
type routeCounters struct {
	skipped, filterErrors atomic.Uint64
	events, letters       notice // given up
}

// route returns the counters of a route.
func (c *counters) route(name string) *routeCounters {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.routes[name] == nil {
		if c.routes == nil {
			c.routes = map[string]*routeCounters{}
		}
		c.routes[name] = new(routeCounters)
	}
	return c.routes[name]
}

// allRoutes returns the counters of all routes.
func (c *counters) allRoutes() map[string]*routeCounters {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.routes)
}

func (c *counters) published(o Outcome) {
	switch o {
	case Stored:
		c.stored.Add(1)
	case Duplicate:
		c.duplicate.Add(1)
	default:
		c.refused.Add(1)
	}
}

func (c *counters) forwarded(a target.Result) {
	c.nanos.Add(int64(a.Duration))
	if a.Err == nil {
		c.ok.Add(1)
	} else {
		c.failed.Add(1)
	}
}

func (q *Queue) takeSnapshot(s Status) {
	snap := &Stats{Waiting: s.Waiting, Dead: s.Dead, Bytes: s.Bytes, MaxBytes: s.MaxBytes}
	if s.Oldest != nil {
		snap.oldest = s.Oldest.Stored
	}
	for _, r := range s.Routes {
		snap.Routes = append(snap.Routes, RouteStats{Name: r.Name, Waiting: r.Waiting, oldest: r.oldest})
	}
	q.snapshot.Store(snap)
}

// Refresh reads the state of the queue, so that Stats returns the current one.
func (q *Queue) Refresh(ctx context.Context) error {
	if err := q.refuse(); err != nil {
		return err
	}
	s, err := within(ctx, func() (Status, error) {
		s, _, err := q.status(ctx)
		return s, err
	})
	if err == nil {
		q.takeSnapshot(s)
	}
	return err
}

// age returns the time since an event was stored, or 0 if there is none.
func age(stored time.Time) time.Duration {
	if stored.IsZero() {
		return 0
	}
	return max(time.Since(stored), 0)
}

// Stats returns the figures. It is cheap and makes no requests.
func (q *Queue) Stats() Stats {
	var s Stats
	if snap := q.snapshot.Load(); snap != nil {
		s = *snap
	}
	s.OldestAge = age(s.oldest)
	s.Routes = slices.Clone(s.Routes) // the snapshot is shared
	c := &q.counters
	for i := range s.Routes {
		r := &s.Routes[i]
		r.OldestAge = age(r.oldest)
		counted := c.route(r.Name)
		r.Skipped, r.FilterErrors = counted.skipped.Load(), counted.filterErrors.Load()
		r.GivenUp = counted.events.count.Load() + counted.letters.count.Load()
	}
	s.Stored, s.Duplicates, s.Refused = c.stored.Load(), c.duplicate.Load(), c.refused.Load()
	s.Forwarded, s.Failed, s.Died = c.ok.Load(), c.failed.Load(), c.died.Load()
	s.ForwardTime = time.Duration(c.nanos.Load())
	s.Available = q.refuse() == nil
	return s
}
