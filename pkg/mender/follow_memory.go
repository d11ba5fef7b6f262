package mender

import (
	"slices"
	"time"
)

const (
	// spare is how many ids are remembered beyond those that are needed, and
	// spareTime for how long: a server whose clock is set back brings old
	// pages into view again.
	spare     = 2000
	spareTime = 15 * time.Minute
)

// memory holds the ids of the events that were seen, by time.
type memory struct {
	ids map[string]time.Time
	// floor is the time before which everything counts as seen.
	floor time.Time
	most  int // ids since the map was made; maps never shrink
}

func newMemory() memory { return memory{ids: map[string]time.Time{}} }

func (m *memory) has(id string, at time.Time) bool {
	_, ok := m.ids[id]
	return ok || at.Before(m.floor)
}

func (m *memory) add(id string, at time.Time) {
	if !at.Before(m.floor) {
		m.ids[id] = at
		m.most = max(m.most, len(m.ids))
	}
}

// prune forgets what is well before the horizon, and returns how many ids are
// not before it.
func (m *memory) prune(horizon time.Time) int {
	if horizon.IsZero() {
		return len(m.ids)
	}
	var older []time.Time
	for _, at := range m.ids {
		if at.Before(horizon) {
			older = append(older, at)
		}
	}
	recent := len(m.ids) - len(older)
	cutoff := horizon.Add(-spareTime)
	if len(older) > spare+spare/8 { // not each time
		slices.SortFunc(older, time.Time.Compare)
		if at := older[len(older)-spare]; at.After(cutoff) {
			cutoff = at
		}
	}
	if cutoff.After(m.floor) {
		m.floor = cutoff
		m.forget()
	}
	return recent
}

// forget drops the ids before the floor.
func (m *memory) forget() {
	for id, at := range m.ids {
		if at.Before(m.floor) {
			delete(m.ids, id)
		}
	}
	if m.most > 4*len(m.ids)+2*spare {
		ids := make(map[string]time.Time, len(m.ids))
		for id, at := range m.ids {
			ids[id] = at
		}
		m.ids, m.most = ids, len(ids)
	}
}
