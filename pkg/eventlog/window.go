package eventlog

import (
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/ring"
)

// windowSize is how many ids a window remembers: enough for ten of the largest
// pages.
const windowSize = 5_000

// window distinguishes new events from seen ones, in bounded memory. It relies
// on the order of the log, which is newest first. An event that comes after
// windowSize others and is no older than the oldest forgotten one was either
// seen, or saved since in a part of the log that was already read.
type window struct {
	ids       *ring.Map[string, time.Time]
	forgotten time.Time // the time of the oldest forgotten event
}

func newWindow(size int) *window { return &window{ids: ring.New[string, time.Time](size)} }

// has reports whether an event was seen.
func (w *window) has(id string, at time.Time) bool {
	_, ok := w.ids.Get(id)
	return ok || w.isPassed(at)
}

// isPassed reports whether an event of this time is no older than the oldest forgotten
// one.
func (w *window) isPassed(at time.Time) bool { return !w.forgotten.IsZero() && !at.Before(w.forgotten) }

// add remembers an event, and reports whether it is new.
func (w *window) add(id string, at time.Time) bool {
	if w.isPassed(at) {
		return false
	}
	added, forgotten, full := w.ids.Add(id, at)
	if full && (w.forgotten.IsZero() || forgotten.Before(w.forgotten)) {
		w.forgotten = forgotten
	}
	return added
}
