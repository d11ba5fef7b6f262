package receiving

import (
	"sync"
	"sync/atomic"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// maxLines is how many lines wait for a slow reader of stdout.
const maxLines = 4096

// lines prints the items of several goroutines, one after the other.
type lines struct {
	queue   chan output.Item
	done    chan struct{}
	err     error // of the stream; to be read once done is closed
	dropped atomic.Uint64

	mu     sync.RWMutex
	closed bool
}

// newLines starts printing; fit makes a row fit the columns. failed is told once of an error, such as a reader
// that went away; after it nothing is printed.
func newLines(p *output.Printer, columns []output.Column, fit func(row []string), failed func(error)) *lines {
	l := &lines{queue: make(chan output.Item, maxLines), done: make(chan struct{})}
	stream := p.Stream(columns)
	go func() {
		defer close(l.done)
		for item := range l.queue {
			if l.err != nil {
				continue
			}
			if len(item.Row) > 0 {
				fit(item.Row)
			}
			if l.err = stream.Write(item); l.err != nil {
				failed(l.err)
			}
		}
		if l.err == nil {
			l.err = stream.Close()
		}
	}()
	return l
}

// wait prints an item, and waits for room where the reader is slow.
func (l *lines) wait(item output.Item) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		l.dropped.Add(1)
		return
	}
	l.queue <- item
}

// offer prints an item, or counts it as dropped where the reader is too slow.
func (l *lines) offer(item output.Item) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		l.dropped.Add(1)
		return
	}
	select {
	case l.queue <- item:
	default:
		l.dropped.Add(1)
	}
}

// close prints what is queued, and returns the stream's error.
func (l *lines) close() error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.queue)
	}
	l.mu.Unlock()
	<-l.done
	return l.err
}
