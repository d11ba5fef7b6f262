package eventlog

import "time"

const (
	// deepEvery is how often a look reads back by the whole margin while that
	// covers more than manyEvents events: each such look takes several
	// requests, and Mender may limit those to 300 a minute.
	deepEvery  = 10 * time.Second
	manyEvents = 1000
	// jitter is how much two Date headers, which are truncated to the second, may
	// differ from the time passed even if the server's clock was not changed.
	jitter = 2 * time.Second
	// saveDelay is the longest delay before Mender saves an event, 10 s, plus a
	// margin of 5 s.
	saveDelay = 15 * time.Second
)

// mark is a point up to which the log is known.
type mark struct {
	// at is the time in the log, by the clock that sets the times of events.
	at time.Time
	// server is the Date that the server sent at that moment; zero if unknown.
	server time.Time
	// asked and answered are when the page was requested and received, by this
	// machine's clock: the moment lies between them. They are zero in a mark
	// that comes from a FollowState.
	asked, answered time.Time
}

// now returns the time that an event gets if it is saved when the server's clock
// shows server. It follows changes of that clock, in both directions.
func (m mark) now(server time.Time) (time.Time, bool) {
	if m.at.IsZero() || m.server.IsZero() || server.IsZero() {
		return time.Time{}, false
	}
	return m.at.Add(server.Sub(m.server)), true
}

// locate sets how far back a look must read, once its first answer has arrived.
// If the server's clock was set back, new events are saved among known ones;
// only this machine's clock shows how long ago that can have been.
func (f *Follower) locate(l *look) {
	l.floor, l.horizon = f.memory.floor, f.memory.floor
	if f.base.at.IsZero() {
		return
	}
	l.horizon = later(f.base.at.Add(-margin), f.memory.floor)
	now, ok := f.base.now(l.serverTime)
	if !ok {
		return
	}
	least, most := l.asked.Sub(f.base.answered), l.answered.Sub(f.base.asked)
	if f.base.asked.IsZero() { // resumed: an absence of any length
		l.horizon = f.memory.floor
		least, most = 0, max(0, f.opt.Clock().Sub(f.savedAt))
	}
	if l.setBack = l.serverTime.Sub(f.base.server) < least-jitter; !l.setBack {
		return
	}
	l.newFrom, l.newTo = now.Add(-most-saveDelay), now.Add(saveDelay)
	if from := l.newFrom.Add(-margin); from.Before(l.horizon) {
		l.horizon = from
	}
	if l.horizon.Before(l.floor) {
		l.floor = l.horizon
	}
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
