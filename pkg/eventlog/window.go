package eventlog

import (
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/ring"
)

// windowSize is how many ids a window remembers: ten of the largest pages.
const windowSize = 5_000

// window tells new events from those that were seen, in bounded memory. It
// relies on the order of the log: newest first. An event that comes after
// windowSize others, and is not older than all of those forgotten, either was
// seen, or was saved since in a place that the reader has passed.
type window struct {
	ids       *ring.Map[string, time.Time]
	forgotten time.Time // the oldest time among those forgotten
}

func newWindow(size int) *window { return &window{ids: ring.New[string, time.Time](size)} }

// has reports whether an event was seen.
func (w *window) has(id string, at time.Time) bool {
	_, ok := w.ids.Get(id)
	return ok || !w.forgotten.IsZero() && !at.Before(w.forgotten)
}

// add remembers an event, and reports whether it is new.
func (w *window) add(id string, at time.Time) bool {
	if w.has(id, at) {
		return false
	}
	if at, ok := w.ids.Put(id, at); ok && (w.forgotten.IsZero() || at.Before(w.forgotten)) {
		w.forgotten = at
	}
	return true
}
