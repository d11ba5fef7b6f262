package eventlog

import (
	"slices"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// reading is the state of one pass over the log. An event that shows up among
// those that were passed already has arrived since: returning it would break
// the order.
type reading struct {
	query Query
	seen  *window
	// oldest is the time of the oldest event seen.
	oldest time.Time
	// held are the last events of the previous page if the next page has to
	// tell whether they arrived since.
	held     []mender.Event
	returned int
	read     func(mender.Event)
	yield    func(mender.Event, error) bool
}

// readPage returns the new events of a page, and reports whether to continue.
func (r *reading) readPage(page []mender.Event) bool {
	more := len(page) >= r.query.size()
	if len(r.held) > 0 {
		page = slices.Concat(r.held, page)
	}
	return r.take(page, more) && more
}

// take goes through events, and reports whether to continue.
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

// isPassed reports whether an event's time lies before the oldest one's. The
// time alone does not decide: a log that is not in order loses nothing.
func isPassed(e mender.Event, oldest time.Time) bool {
	return !oldest.IsZero() && e.Time.After(oldest)
}
