// Package ring provides a map that remembers only the most recent keys.
package ring

// Map maps the most recently added keys to values. It is not safe for
// concurrent use. A nil Map is empty.
type Map[K comparable, V any] struct {
	places  map[K]int     // in entries
	entries []entry[K, V] // at most cap(entries), the oldest at next once it is full
	next    int
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

// New returns a map for at most size keys, which must be at least 1.
func New[K comparable, V any](size int) *Map[K, V] {
	return &Map[K, V]{places: map[K]int{}, entries: make([]entry[K, V], 0, size)}
}

// Get returns the value of a key, and whether the key is known.
func (m *Map[K, V]) Get(key K) (value V, known bool) {
	if m == nil {
		return value, false
	}
	place, known := m.places[key]
	if known {
		value = m.entries[place].value
	}
	return value, known
}

// Put sets the value of a key, which may be known.
func (m *Map[K, V]) Put(key K, value V) {
	if added, _, _ := m.Add(key, value); !added {
		m.entries[m.places[key]].value = value
	}
}

// Add adds a key, unless it is known. If the map is full, the key takes the place of
// the one that was added first, whose value is returned.
func (m *Map[K, V]) Add(key K, value V) (added bool, forgotten V, full bool) {
	if _, known := m.places[key]; known {
		return false, forgotten, false
	}
	place := len(m.entries)
	if full = place == cap(m.entries); full {
		place = m.next
		forgotten = m.entries[place].value
		delete(m.places, m.entries[place].key)
		m.entries[place] = entry[K, V]{key, value}
		m.next = (place + 1) % len(m.entries)
	} else {
		m.entries = append(m.entries, entry[K, V]{key, value})
	}
	m.places[key] = place
	return true, forgotten, full
}
