package listener

import "time"

// outage is a time in which the application or the store accepts no events.
type outage struct {
	*window
	since  time.Time // zero if there is no outage
	lasted time.Duration
	failed int
	reason string
	logged bool
}

// fails records a failure, and reports whether to log it.
func (o *outage) fails(at time.Time, reason string) bool {
	o.reason = reason
	if !o.since.IsZero() {
		o.failed++
		return false
	}
	o.since, o.failed = at, 1
	o.logged = o.admit(maxOutages)
	return o.logged
}

// ended records a success, and reports whether to log that the outage has ended.
func (o *outage) ended(at time.Time) bool {
	if o.since.IsZero() {
		return false
	}
	o.lasted, o.since = at.Sub(o.since).Round(100*time.Millisecond), time.Time{}
	return o.logged
}

// isUnreported reports whether there is an outage that is not logged yet, and marks it
// as logged.
func (o *outage) isUnreported() bool {
	was := o.logged
	o.logged = was || !o.since.IsZero()
	return o.logged && !was
}

// window limits the lines of one kind. It opens with a line and stays open while
// there are more than the limit.
type window struct {
	timer   <-chan time.Time // fires when the period ends; nil if the window is closed
	lines   int
	counted int // not logged
}

// admit reports whether one more line may be logged, and otherwise counts it.
func (w *window) admit(limit int) bool {
	if w.timer == nil {
		w.timer = time.After(logPeriod)
	}
	if w.lines >= limit {
		w.counted++
		return false
	}
	w.lines++
	return true
}

// more returns how many lines were not logged in this period, and starts the next
// one if there were any.
func (w *window) more() int {
	n := w.counted
	if w.counted = 0; n == 0 {
		*w = window{}
	} else {
		w.timer = time.After(logPeriod)
	}
	return n
}
