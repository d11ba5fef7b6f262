package eventlog

import (
	"slices"
	"strings"
	"time"
)

const (
	// spare is how many ids are remembered in addition to the required ones,
	// and spareTime for how long: a server whose clock is set back saves new
	// events among old ones.
	spare     = 2000
	spareTime = 15 * time.Minute
)

// memory holds the ids of the events that were seen, with their times.
type memory struct {
	ids map[string]time.Time
	// floor is the time before which all events count as seen.
	floor time.Time
}

func newMemory() memory { return memory{ids: map[string]time.Time{}} }

func (m *memory) has(id string) bool {
	_, ok := m.ids[id]
	return ok
}

func (m *memory) add(id string, at time.Time) {
	if !at.Before(m.floor) {
		m.ids[strings.Clone(id)] = at // a copy, since the id shares its event's memory
	}
}

// prune forgets ids from well before the horizon. It returns how many ids are at
// or after the horizon.
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
	if cutoff = max(cutoff, len(older)-spare); cutoff > spare/8 { // not each time: forget copies the map
		m.forget(older[cutoff-1].Add(1))
	}
	return recent
}

// forget drops the ids before floor. It builds a new map, since maps never
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
