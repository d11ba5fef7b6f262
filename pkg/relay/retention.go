package relay

import (
	"slices"
	"time"
)

// deliveredFile is a store's file for its retention.
const deliveredFile = "delivered.json"

// retentionMarks is the number of marks within Keep. An event may be retained longer
// than Keep, by up to the time between two marks.
const retentionMarks = 64

// retention records when events were delivered, because Keep counts from then and the
// stream does not record it. Events that were delivered before the first mark count as
// delivered at that mark.
type retention []mark

// mark records that all events up to Floor were settled at a time.
type mark struct {
	At    time.Time `json:"at"`
	Floor uint64    `json:"floor"`
}

// note adds a mark if the last one is old enough, or force is set. It reports
// whether it did.
func (r *retention) note(at time.Time, floor uint64, spacing time.Duration, force bool) bool {
	// A stream that lost its last events reuses their sequences.
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

// expired returns the sequence up to which all events were settled by a time, and
// drops the marks that are no longer needed.
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

// saveRetention saves the marks for the next process. Without them, delivered
// events are retained longer.
func (s *Store) saveRetention(r retention) {
	if err := writeJSON(s.o.Dir, deliveredFile, r); err != nil {
		s.o.Logf("the store in %s cannot record when events were delivered, and retains them longer: %v", s.o.Dir, err)
	}
}
