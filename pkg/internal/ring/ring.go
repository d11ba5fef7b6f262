// Package ring provides a map that remembers only the most recent keys.
package ring

// Map maps the most recently added keys to values. It is not safe for
// concurrent use. A nil Map is empty.
type Map[K comparable, V any] struct {
	values map[K]V
	keys   []K // at most cap(keys), the oldest at next once it is full
	next   int
}

// New returns a map for at most size keys, which must be at least 1.
func New[K comparable, V any](size int) *Map[K, V] {
	return &Map[K, V]{values: map[K]V{}, keys: make([]K, 0, size)}
}

// Get returns the value of a key, and whether the key is known.
func (m *Map[K, V]) Get(key K) (value V, known bool) {
	if m == nil {
		return value, false
	}
	value, known = m.values[key]
	return value, known
}

// Put sets the value of a key. If the map is full, a new key takes the place of
// the one that was added first, whose value is returned.
func (m *Map[K, V]) Put(key K, value V) (forgotten V, ok bool) {
	if _, known := m.values[key]; !known {
		if len(m.keys) < cap(m.keys) {
			m.keys = append(m.keys, key)
		} else {
			forgotten, ok = m.values[m.keys[m.next]], true
			delete(m.values, m.keys[m.next])
			m.keys[m.next] = key
			m.next = (m.next + 1) % len(m.keys)
		}
	}
	m.values[key] = value
	return forgotten, ok
}
