package eventlog

import (
	"slices"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// mostHeld is how many events a look keeps in memory; it drops the newest ones
// once there are twice as many. The log is read from the newest event back, but
// events are returned oldest first.
const mostHeld = 5000

// found is a new event, and the time under which it is remembered.
type found struct {
	event  mender.Event // only its ID if it is not wanted
	at     time.Time
	index  int // from the log's new end
	wanted bool
}

// look is one pass over the newest part of the log.
type look struct {
	first     bool
	shallow   bool                // only the newest events are looked for
	start     int                 // the index of the first event read
	read      int                 // how many events were read
	newEvents []found             // newest first
	here      map[string]struct{} // ids of newEvents
	dropped   bool                // the newest of newEvents were dropped: there was no room
	wanted    int                 // how many wanted events were found, dropped ones included
	page      map[string]struct{} // ids of the previous page
	newest    time.Time           // the newest time on the first page
	oldest    time.Time           // the time of the last event on the last page
	known     bool                // an event was found that had been seen before
	moved     bool                // events arrived between reading two pages
	ended     bool                // the log was read to its end

	floor      time.Time // events before it count as seen
	horizon    time.Time // how far back to read
	serverTime time.Time
	asked      time.Time // when the first page was requested, by this machine's clock
	answered   time.Time // when it was answered
	begin      time.Time // if the first look had to wait: events since then are new
	// setBack means that the server's clock was set back since the last look.
	// Events that are older than the remembered ones can then be new only if
	// they are between newFrom and newTo.
	setBack        bool
	newFrom, newTo time.Time
}

// add records a new event.
func (l *look) add(x found) {
	if x.wanted {
		l.wanted++
	} else {
		x.event = mender.Event{Event: webhook.Event{ID: x.event.ID}}
	}
	l.here[x.event.ID] = struct{}{}
	l.newEvents = append(l.newEvents, x)
}

// trim drops the newest events if there are at least twice as many as most.
// It sorts them first: events that arrive while the log is read come on later
// pages than older ones.
func (l *look) trim(most int) {
	excess := len(l.newEvents) - most
	if excess < most {
		return
	}
	slices.SortStableFunc(l.newEvents, func(a, b found) int { return b.at.Compare(a.at) })
	for _, x := range l.newEvents[:excess] {
		delete(l.here, x.event.ID)
	}
	l.newEvents = slices.Clone(l.newEvents[excess:]) // a copy, to free the memory of the others
	l.dropped = true
}

// partial reports whether newer events remain to be read.
func (l *look) partial() bool { return l.dropped || l.start > 0 }

// next returns where the next look begins, in events from the newest one:
// shortly before the events that were dropped. Events that arrive in the
// meantime push those further back, so the next look cannot begin too late.
func (l *look) next(most int) int {
	switch {
	case !l.partial() || l.read == 0:
		return 0
	case len(l.newEvents) == 0:
		return max(0, l.start-most)
	}
	first := l.newEvents[0].index
	for _, x := range l.newEvents {
		first = min(first, x.index)
	}
	return max(0, first-most)
}

// knownUntil returns the time up to which all events were read: the time
// of the newest new event that is not newer than the first page. Later pages can
// contain newer events, which arrived while the log was being read; others that
// arrived then may be on no page.
func (l *look) knownUntil() time.Time {
	var newest time.Time
	for _, x := range l.newEvents {
		if !x.at.After(l.newest) {
			newest = later(newest, x.at)
		}
	}
	return newest
}

// sort sorts the new events, oldest first.
func (l *look) sort() {
	slices.Reverse(l.newEvents)
	slices.SortStableFunc(l.newEvents, func(a, b found) int { return a.at.Compare(b.at) })
}
