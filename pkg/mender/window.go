package mender

import "time"

// windowSize is how many ids a window remembers: the events of ten of the
// largest pages, in about half a MiB.
const windowSize = 5_000

// window tells events that were seen from new ones, in bounded memory. It
// relies on the order of the log: newest first. An event that comes after
// windowSize others and is not older than all of those forgotten has either been
// seen, or been saved since in a place that the reader has passed.
type window struct {
	size      int
	ids       map[string]struct{}
	ring      []seen
	next      int
	forgotten time.Time // the oldest time among those forgotten
}

type seen struct {
	id string
	at time.Time
}

func newWindow(size int) *window {
	return &window{size: size, ids: make(map[string]struct{})}
}

// has reports whether an event was seen.
func (w *window) has(id string, at time.Time) bool {
	_, ok := w.ids[id]
	return ok || !w.forgotten.IsZero() && !at.Before(w.forgotten)
}

// add remembers an event, and reports whether it is new.
func (w *window) add(id string, at time.Time) bool {
	if w.has(id, at) {
		return false
	}
	w.ids[id] = struct{}{}
	if len(w.ring) < w.size {
		w.ring = append(w.ring, seen{id, at})
		return true
	}
	old := w.ring[w.next]
	delete(w.ids, old.id)
	if w.forgotten.IsZero() || old.at.Before(w.forgotten) {
		w.forgotten = old.at
	}
	w.ring[w.next] = seen{id, at}
	w.next = (w.next + 1) % w.size
	return true
}
