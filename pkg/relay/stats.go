package relay

import (
	"context"
	"slices"
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

	oldest time.Time
}

type counters struct {
	stored, duplicate, refused atomic.Uint64
	ok, failed, died           atomic.Uint64
	nanos                      atomic.Int64
	dead                       atomic.Int64 // upper bound of the current number of dead letters
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
	for i := range s.Routes {
		s.Routes[i].OldestAge = age(s.Routes[i].oldest)
	}
	c := &q.counters
	s.Stored, s.Duplicates, s.Refused = c.stored.Load(), c.duplicate.Load(), c.refused.Load()
	s.Forwarded, s.Failed, s.Died = c.ok.Load(), c.failed.Load(), c.died.Load()
	s.ForwardTime = time.Duration(c.nanos.Load())
	s.Available = q.refuse() == nil
	return s
}
