package mender

import (
	"hash/maphash"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/ring"
)

// windowSize is how many ids a window remembers: the events of ten of the
// largest pages, in about half a MiB.
const windowSize = 5_000

// window tells events that were seen from new ones, in bounded memory. It
// relies on the order of the log: newest first. An event that comes after
// windowSize others and is not older than all of those forgotten has either been
// seen, or been saved since in a place that the reader has passed.
//
// Of an id it keeps a hash, which is quicker, and leaves the collector nothing
// to look at. Two ids that fall together would cost an event, once in some
// 10^15 that are read.
type window struct {
	seed      maphash.Seed
	ids       *ring.Map[uint64, time.Time]
	forgotten time.Time // the oldest time among those forgotten
}

func newWindow(size int) *window {
	return &window{seed: maphash.MakeSeed(), ids: ring.New[uint64, time.Time](size)}
}

// has reports whether an event was seen.
func (w *window) has(id string, at time.Time) bool {
	return w.hasHash(maphash.String(w.seed, id), at)
}

func (w *window) hasHash(id uint64, at time.Time) bool {
	_, ok := w.ids.Get(id)
	return ok || !w.forgotten.IsZero() && !at.Before(w.forgotten)
}

// add remembers an event, and reports whether it is new.
func (w *window) add(id string, at time.Time) bool {
	hash := maphash.String(w.seed, id)
	if w.hasHash(hash, at) {
		return false
	}
	if at, ok := w.ids.Put(hash, at); ok && (w.forgotten.IsZero() || at.Before(w.forgotten)) {
		w.forgotten = at
	}
	return true
}
