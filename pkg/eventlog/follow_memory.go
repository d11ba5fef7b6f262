package eventlog

import (
	"slices"
	"strings"
	"time"
)

const (
	// spare is how many ids are remembered beyond those that are needed, and
	// spareTime for how long: a server whose clock is set back saves new events
	// among old ones.
	spare     = 2000
	spareTime = 15 * time.Minute
)

// memory holds the ids of the events that were seen, by time.
type memory struct {
	ids map[string]time.Time
	// floor is the time before which everything counts as seen.
	floor time.Time
}

func newMemory() memory { return memory{ids: map[string]time.Time{}} }

func (m *memory) has(id string) bool {
	_, ok := m.ids[id]
	return ok
}

func (m *memory) add(id string, at time.Time) {
	if !at.Before(m.floor) {
		m.ids[strings.Clone(id)] = at // an id shares its event's memory
	}
}

// prune forgets ids from well before the horizon, and returns how many ids are
// not before it.
func (m *memory) prune(horizon time.Time) int {
	var older []time.Time
	for _, at := range m.ids {
		if at.Before(horizon) {
			older = append(older, at)
		}
	}
	recent := len(m.ids) - len(older)
	slices.SortFunc(older, time.Time.Compare)
	cutoff, _ := slices.BinarySearchFunc(older, horizon.Add(-spareTime), time.Time.Compare)
	if cutoff = max(cutoff, len(older)-spare); cutoff > spare/8 { // not each time
		m.forget(older[cutoff-1].Add(1))
	}
	return recent
}

// forget drops the ids before a time. The map is a new one, since maps never
// shrink.
func (m *memory) forget(floor time.Time) {
	m.floor = floor
	ids := map[string]time.Time{}
	for id, at := range m.ids {
		if !at.Before(floor) {
			ids[id] = at
		}
	}
	m.ids = ids
}
