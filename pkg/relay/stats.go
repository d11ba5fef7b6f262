package relay

import (
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// Stats are figures for monitoring. Those of the queue's state are at most
// about a second old; the others count since the queue was opened.
type Stats struct {
	Waiting   uint64        // events that the application has yet to take
	OldestAge time.Duration // of the one that waits longest; 0 where none waits
	Dead      uint64        // dead letters now
	Bytes     uint64        // what waiting and kept events take
	MaxBytes  int64         // what they may take
	Available bool          // events can be stored, as far as is known without storing one

	Stored, Duplicates, Refused uint64 // publishes, by outcome; refused are full and unavailable ones
	Forwarded, Failed           uint64 // attempts, by outcome
	Died                        uint64 // events given up
	// ForwardTime is all attempts' time to the answer's headers together:
	// divided by Forwarded and Failed, the average.
	ForwardTime time.Duration

	oldest time.Time
}

type counters struct {
	stored, duplicate, refused atomic.Uint64
	ok, failed, died           atomic.Uint64
	nanos                      atomic.Int64
	dead                       atomic.Int64 // dead letters now, never too few
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
	q.snapshot.Store(snap)
}

// Stats returns the figures. It is cheap: it asks nobody.
func (q *Queue) Stats() Stats {
	var s Stats
	if snap := q.snapshot.Load(); snap != nil {
		s = *snap
	}
	if !s.oldest.IsZero() {
		s.OldestAge = max(time.Since(s.oldest), 0)
	}
	c := &q.counters
	s.Stored, s.Duplicates, s.Refused = c.stored.Load(), c.duplicate.Load(), c.refused.Load()
	s.Forwarded, s.Failed, s.Died = c.ok.Load(), c.failed.Load(), c.died.Load()
	s.ForwardTime = time.Duration(c.nanos.Load())
	s.Available = q.refuse() == nil
	return s
}
