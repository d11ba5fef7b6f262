package mender

import (
	"slices"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// mostHeld is how many events of a look are held at least where there are more
// than twice as many. The log is read from its new end, and given from its old
// one.
const mostHeld = 5000

// found is an event that is new, with the time it is remembered by.
type found struct {
	event  Event // where it is not wanted, its ID alone
	at     time.Time
	index  int // from the log's new end
	wanted bool
}

// look is one pass over the new end of the log.
type look struct {
	first      bool
	shallow    bool                // only the newest events are looked for
	start      int                 // the index of the first event read
	read       int                 // how many were
	news       []found             // newest first
	here       map[string]struct{} // ids of news
	left       bool                // there was more: the newest of news were let go
	wanted     int                 // how many were found that are, those let go included
	page       map[string]struct{} // ids of the page before
	newest     time.Time
	oldest     time.Time // the last event's on the last page
	known      bool      // an event was met that had been seen before
	floor      time.Time // events before it count as seen
	horizon    time.Time // how far back to read
	serverTime time.Time
	asked      time.Time // when the first page was asked for, and answered, by
	answered   time.Time // this machine's clock
	setBack    bool      // the server's clock was set back since the last look
	newFrom    time.Time // then: of what is older than is remembered, only events
	newTo      time.Time // between these two can be new
	begin      time.Time // for a first look that had to wait: what is newer is new
	moved      bool      // the log moved from one page to the next
	ended      bool      // the log was read to its end
}

// add takes in an event that is new.
func (l *look) add(x found) {
	if x.wanted {
		l.wanted++
	} else {
		x.event = Event{Event: webhook.Event{ID: x.event.ID}} // no more is needed
	}
	l.here[x.event.ID] = struct{}{}
	l.news = append(l.news, x)
}

// trim lets the newest go where there is too much to hold.
func (l *look) trim(most int) {
	gone := len(l.news) - most
	if gone < most {
		return
	}
	for _, x := range l.news[:gone] {
		delete(l.here, x.event.ID)
	}
	l.news = slices.Clone(l.news[gone:]) // so that the others' memory is free
	l.left = true
}

// partial reports whether newer events remain to be read.
func (l *look) partial() bool { return l.left || l.start > 0 }

// next is where to begin after this look, in events from the log's new end:
// before what was let go last. What arrives meanwhile moves it towards the old
// end, so that it can't be too far there.
func (l *look) next(most int) int {
	switch {
	case !l.partial() || l.read == 0:
		return 0
	case len(l.news) == 0:
		return max(0, l.start-most)
	}
	first := l.news[0].index
	for _, x := range l.news {
		first = min(first, x.index)
	}
	return max(0, first-most)
}

// newestKept returns the newest time among the new events that are held.
func (l *look) newestKept() time.Time {
	var newest time.Time
	for _, x := range l.news {
		newest = later(newest, x.at)
	}
	return newest
}

// sort puts the new events in order, oldest first.
func (l *look) sort() {
	slices.Reverse(l.news)
	slices.SortStableFunc(l.news, func(a, b found) int { return a.at.Compare(b.at) })
}
