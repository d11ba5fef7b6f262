package eventlog

import (
	"slices"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// reading is the state of one pass over the log. A new event among events that
// were already read must have arrived since: returning it would break the order.
type reading struct {
	query Query
	seen  *window
	// oldest is the time of the oldest event seen.
	oldest time.Time
	// held holds the last events of the previous page if only the next page
	// shows whether they arrived since.
	held     []mender.Event
	returned int
	read     func(mender.Event)
	yield    func(mender.Event, error) bool
}

// readPage passes the new events of a page to yield, and reports whether to
// continue.
func (r *reading) readPage(page []mender.Event) bool {
	more := len(page) >= r.query.size()
	if len(r.held) > 0 {
		page = slices.Concat(r.held, page)
	}
	return r.take(page, more) && more
}

// take passes new events to yield, and reports whether to continue.
func (r *reading) take(events []mender.Event, more bool) bool {
	passed := r.lastSeen(events)
	end := len(events)
	if more { // no event is held twice
		for end > max(passed+1, len(r.held)) && isPassed(events[end-1], r.oldest) {
			end--
		}
	}
	r.held = events[end:]
	oldest := r.oldest // before this page
	for i := range events[:end] {
		e := &events[i]
		if !r.query.Since.IsZero() && !e.Time.IsZero() && e.Time.Before(r.query.Since.Add(-slack)) {
			return false
		}
		late := i < passed && isPassed(*e, oldest)
		if !r.seen.add(e.ID, e.Time) {
			continue
		}
		r.read(*e)
		if r.oldest.IsZero() || e.Time.Before(r.oldest) {
			r.oldest = e.Time
		}
		if late || !r.query.covers(e.Time) || !r.query.matches(e) {
			continue
		}
		if !r.yield(*e, nil) {
			return false
		}
		if r.returned++; r.returned == r.query.Limit {
			return false
		}
	}
	return true
}

// lastSeen returns the index of the last event that was seen before, or -1.
func (r *reading) lastSeen(events []mender.Event) int {
	for i := len(events) - 1; i >= 0; i-- {
		if r.seen.has(events[i].ID, events[i].Time) {
			return i
		}
	}
	return -1
}

// isPassed reports whether an event is newer than the oldest one seen, so
// it belongs to a part of the log that was already read. The time does not
// suffice to skip it, since the log may be out of order.
func isPassed(e mender.Event, oldest time.Time) bool {
	return !oldest.IsZero() && e.Time.After(oldest)
}
