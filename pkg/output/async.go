package output

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// asyncWrites is how many writes may be queued for a slow writer.
const asyncWrites = 1000

// Async is a writer that never blocks: it writes in the background, and drops
// writes while too many are queued. It is safe for concurrent use.
type Async struct {
	w     io.Writer
	queue chan []byte
	done  chan struct{}

	progress atomic.Int64 // writes completed

	mu     sync.Mutex
	closed bool
}

// NewAsync returns a writer in front of w. Close it.
func NewAsync(w io.Writer) *Async {
	a := &Async{w: w, queue: make(chan []byte, asyncWrites), done: make(chan struct{})}
	go func() {
		defer close(a.done)
		for text := range a.queue {
			_, _ = w.Write(text) // there is no place to report an error of stderr
			a.progress.Add(1)
		}
	}()
	return a
}

// Write queues a copy of p. It fails only after Close, with the error of w.
func (a *Async) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		select {
		case <-a.done:
			return a.w.Write(p)
		default: // w is stuck
			return len(p), nil
		}
	}
	select {
	case a.queue <- append([]byte(nil), p...):
	default:
	}
	return len(p), nil
}

// Close waits until everything is written, and reports whether that succeeded.
// It gives up when one write takes longer than the limit. Later writes go
// directly to w, or are dropped if Close gave up and w is still stuck.
func (a *Async) Close(limit time.Duration) bool {
	a.mu.Lock()
	if !a.closed {
		a.closed = true
		close(a.queue)
	}
	a.mu.Unlock()
	for before := int64(-1); before != a.progress.Load(); {
		before = a.progress.Load()
		select {
		case <-a.done:
			return true
		case <-time.After(limit):
		}
	}
	return false
}
