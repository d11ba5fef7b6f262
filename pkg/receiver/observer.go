package receiver

import (
	"context"
	"sync"
	"sync/atomic"
)

// observeBytes is how much memory the records that wait may take.
const observeBytes = 32 << 20

// observer tells one function of each request, in order, without anybody
// waiting for it.
type observer struct {
	show    func(Record)
	queue   chan sighting
	bytes   atomic.Int64 // of what is in queue
	dropped atomic.Uint64

	closing   chan struct{} // closed: show what is queued, then end
	once      sync.Once
	done      chan struct{} // closed: all was shown
	abandoned atomic.Bool   // nobody waits for the rest any more
}

func newObserver(show func(Record), size int) *observer {
	o := &observer{
		show:    show,
		queue:   make(chan sighting, size),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	go o.run()
	return o
}

// offer queues a record, or drops it where there is no room.
func (o *observer) offer(s sighting) {
	size := s.size()
	if o.bytes.Add(size) <= observeBytes && !o.isClosing() {
		select {
		case o.queue <- s:
			return
		default:
		}
	}
	o.bytes.Add(-size)
	o.dropped.Add(1)
}

func (o *observer) isClosing() bool {
	select {
	case <-o.closing:
		return true
	default:
		return false
	}
}

func (o *observer) run() {
	defer close(o.done)
	for {
		select {
		case s := <-o.queue:
			o.one(s)
		case <-o.closing:
			o.drain(o.one)
			return
		}
	}
}

func (o *observer) one(s sighting) {
	o.bytes.Add(-s.size())
	if o.abandoned.Load() {
		o.dropped.Add(1)
		return
	}
	o.show(s.finish())
}

func (o *observer) drain(each func(sighting)) {
	for {
		select {
		case s := <-o.queue:
			each(s)
		default:
			return
		}
	}
}

func (o *observer) close(ctx context.Context) error {
	o.once.Do(func() { close(o.closing) })
	select {
	case <-o.done:
		return nil
	case <-ctx.Done():
		// show hangs, and may never come back: count what it won't get.
		o.abandoned.Store(true)
		o.drain(o.one)
		return ctx.Err()
	}
}
