package eventlog

import "time"

const (
	// deepEvery is how often a look goes back by the whole margin if that takes
	// more than manyEvents events: each such look takes several requests, and
	// Mender may limit those to 300 a minute.
	deepEvery  = 10 * time.Second
	manyEvents = 1000
	// jitter is by how much two Date headers, which are cut to seconds, may
	// differ without a change of the server's clock.
	jitter = 2 * time.Second
	// saveDelay is how late Mender saves an event, and 5 s more.
	saveDelay = 15 * time.Second
)

// mark is a point up to which the log is known.
type mark struct {
	// at is the time in the log, by the clock that the events' times are from.
	at time.Time
	// server is the server's Date at that moment; zero is unknown.
	server time.Time
	// asked and answered enclose that moment by this machine's clock; they are
	// zero in a mark that comes from a FollowState.
	asked, answered time.Time
}

// now returns the time of an event that is saved at the server's time: the mark
// moves with the server's clock, in both directions.
func (m mark) now(server time.Time) (time.Time, bool) {
	if m.at.IsZero() || m.server.IsZero() || server.IsZero() {
		return time.Time{}, false
	}
	return m.at.Add(server.Sub(m.server)), true
}

// locate sets how far back a look has to go, once its first answer is there. A
// server whose clock was set back saves new events among those that are known.
// How long ago that can have been, only this machine's clock tells.
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
