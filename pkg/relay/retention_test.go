package relay

import (
	"testing"
	"time"
)

// TestRetentionCountsFromDelivery checks that events that waited for days are
// retained for the whole time from their delivery on.
func TestRetentionCountsFromDelivery(t *testing.T) {
	var r retention
	start := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	const keep = 48 * time.Hour
	floor := func(at time.Time) uint64 { // a hundred events an hour are delivered in the first ten hours
		return uint64(min(at.Sub(start), 10*time.Hour) / (36 * time.Second))
	}
	for at := start; at.Before(start.Add(100 * time.Hour)); at = at.Add(time.Second * 30) {
		r.note(at, floor(at), keep/retentionMarks, false)
		gone := r.expired(at.Add(-keep))
		delivered := floor(at.Add(-keep))
		if at.Before(start.Add(keep)) {
			delivered = 0
		}
		if gone > delivered {
			t.Fatalf("%s: events up to %d are gone, but only those up to %d were delivered by then", at, gone, delivered)
		}
		if late := floor(at.Add(-keep - keep/retentionMarks - time.Minute)); at.After(start.Add(keep+2*time.Hour)) && gone < late {
			t.Fatalf("%s: events up to %d were delivered long ago, but only those up to %d were removed", at, late, gone)
		}
	}
	if len(r) > retentionMarks+2 {
		t.Errorf("%d marks", len(r))
	}
	// Marks of sequences that were assigned again are dropped.
	r = retention{{start, 5}, {start.Add(time.Hour), 9}}
	r.note(start.Add(2*time.Hour), 6, time.Minute, false)
	if gone := r.expired(start.Add(90 * time.Minute)); gone != 5 {
		t.Errorf("up to %d", gone)
	}
}
