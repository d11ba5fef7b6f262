package mender

import "time"

// reading is where one pass over the log is. What lies behind it, newer than
// what it has come to, is done with: an event that shows up there has arrived
// since, and giving it would break the order.
type reading struct {
	query EventQuery
	seen  *window
	// oldest is the time of the oldest event seen.
	oldest time.Time
	// held are the last events of the page before, where it takes the next
	// page to tell on which side they are.
	held  []Event
	yield func(Event, error) bool
}

// readPage gives the reader what is new on a page, and reports whether there
// is more to read.
func (r *reading) readPage(page []Event, err error) bool {
	if err != nil {
		r.yield(Event{}, err)
		return false
	}
	more := len(page) >= r.query.pageSize()
	return r.take(joined(r.held, page), more) && more
}

// joined puts what was held before a page.
func joined(held, page []Event) []Event {
	if len(held) == 0 {
		return page
	}
	return append(held, page...)
}

// take goes through the events of a page, and reports whether to go on.
func (r *reading) take(events []Event, more bool) bool {
	behind := r.lastSeen(events) // up to here all is behind
	end := len(events)
	if more { // no event is held twice
		for end > max(behind+1, len(r.held)) && isBehind(events[end-1], r.oldest) {
			end--
		}
	}
	r.held = events[end:]
	oldest := r.oldest // before this page
	for i, e := range events[:end] {
		if !r.query.Since.IsZero() && !e.Time.IsZero() && e.Time.Before(r.query.Since.Add(-slack)) {
			return false
		}
		late := i < behind && isBehind(e, oldest)
		if !r.seen.add(e.ID, e.Time) {
			continue
		}
		if r.oldest.IsZero() || e.Time.Before(r.oldest) {
			r.oldest = e.Time
		}
		if !late && r.query.wants(e) && !r.yield(e, nil) {
			return false
		}
	}
	return true
}

// lastSeen returns the index of the last of the events that was seen before,
// or -1.
func (r *reading) lastSeen(events []Event) int {
	for i := len(events) - 1; i >= 0; i-- {
		if r.seen.has(events[i].ID, events[i].Time) {
			return i
		}
	}
	return -1
}

// isBehind reports whether an event's time says that it lies behind. The time
// alone does not decide: a log that is not in order by time loses nothing.
func isBehind(e Event, oldest time.Time) bool { return !oldest.IsZero() && e.Time.After(oldest) }
