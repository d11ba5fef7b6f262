package relay

import (
	"slices"
	"time"
)

// deliveredFile is the file in which a store keeps its retention.
const deliveredFile = "delivered.json"

// retentionMarks is how many marks there are in the time that delivered events
// are retained: one is retained too long by that part at most.
const retentionMarks = 64

// retention knows when events were delivered, which the stream does not: so
// they are retained from then on, however long they waited. What was delivered
// before it knows is taken to have been delivered when it first looked.
type retention []mark

// mark says that all events up to a sequence were settled by a time.
type mark struct {
	At    time.Time `json:"at"`
	Floor uint64    `json:"floor"`
}

// note adds a mark if the last one is old enough, or if force says so, and
// reports whether it did.
func (r *retention) note(at time.Time, floor uint64, spacing time.Duration, force bool) bool {
	// A stream that lost its end assigns its sequences again.
	*r = slices.DeleteFunc(*r, func(m mark) bool { return m.Floor > floor })
	if n := len(*r); n > 0 {
		last := (*r)[n-1]
		if last.Floor == floor || !force && at.Sub(last.At) < spacing {
			return false
		}
	}
	*r = append(*r, mark{at, floor})
	return true
}

// expired returns the sequence up to which all events were delivered by a time,
// and drops the marks that are no longer needed for that.
func (r *retention) expired(by time.Time) uint64 {
	n := 0
	for n < len(*r) && !(*r)[n].At.After(by) {
		n++
	}
	if n == 0 {
		return 0
	}
	*r = slices.Delete(*r, 0, n-1)
	return (*r)[0].Floor
}

// saveRetention keeps the marks for the next process. Without them, delivered
// events are retained for longer.
func (s *Store) saveRetention(r retention) {
	if err := writeJSON(s.o.Dir, deliveredFile, r); err != nil {
		s.o.Logf("the store in %s cannot note when events were delivered, and retains them for longer: %v", s.o.Dir, err)
	}
}
