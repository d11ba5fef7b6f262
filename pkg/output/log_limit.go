package output

import (
	"sync"
	"time"
)

// The limit for messages of one kind.
const (
	maxMessages   = 20
	messagePeriod = time.Minute
)

// Limiter limits the messages of each kind to 20 per minute, so that requests from outside
// do not fill a log. It is safe for concurrent use.
type Limiter struct {
	// Now is the clock.
	Now func() time.Time

	mu    sync.Mutex
	kinds map[string]*messages
}

// messages counts the messages of one kind.
type messages struct {
	since           time.Time
	lines, unlogged int
}

// Admit reports whether a message may be logged, and how many of its kind were not, since
// the last one that was.
func (l *Limiter) Admit(kind string) (unlogged int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.kinds[kind]
	if k == nil {
		if l.kinds == nil {
			l.kinds = map[string]*messages{}
		}
		k = &messages{}
		l.kinds[kind] = k
	}
	if now := l.Now(); now.Sub(k.since) >= messagePeriod {
		k.since, k.lines = now, 0
	}
	if k.lines >= maxMessages {
		k.unlogged++
		return 0, false
	}
	k.lines++
	unlogged, k.unlogged = k.unlogged, 0
	return unlogged, true
}
