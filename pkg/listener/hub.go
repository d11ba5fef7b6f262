package listener

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
)

// The limits of a subscription's buffer and of the history.
const (
	maxBuffered       = 4096     // events
	maxHistory        = 1000     // events
	maxMemory   int64 = 32 << 20 // bytes, each
)

// Hub publishes a listener's events to any number of subscribers. Publishing
// never waits for a subscriber: each has its own buffer of at most 4,096 events
// and 32 MiB, and misses the events that do not fit.
//
// While at least one subscriber uses the history, the hub keeps the last 1,000
// events, up to 32 MiB in total.
//
// The zero value is ready to use. A Hub is safe for concurrent use.
type Hub struct {
	watched atomic.Bool // there is a tap, a subscriber without Wants, or a history

	mu      sync.Mutex
	taps    []func(Event)
	subs    []*Subscription
	history history
	number  uint64 // of the last event that was offered to subscribers
	dropped uint64 // by subscriptions that have been closed
	closed  bool
}

// Numbered is an event and its number. A Hub counts its events from 1.
type Numbered struct {
	Number uint64
	Event  Event

	size int64 // of the event, computed once
}

// isWatched reports whether each event must be published: there is a tap, a
// subscriber without Wants, or a history. It takes no lock.
func (h *Hub) isWatched() bool { return h.watched.Load() }

// publish sends an event to all taps and subscribers. For subscribers,
// credentials in its headers are masked.
func (h *Hub) publish(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, tap := range h.taps {
		tap(e)
	}
	if len(h.subs) == 0 {
		return
	}
	wanted := h.history.users > 0
	for _, s := range h.subs {
		s.wanted = s.wants == nil || s.wants(e)
		wanted = wanted || s.wanted
	}
	if !wanted {
		return
	}
	h.number++
	e = e.masked()
	n := Numbered{h.number, e, e.size()}
	for _, s := range h.subs {
		if s.wanted {
			s.offer(n)
		}
	}
	h.history.add(n)
}

// Find returns the event with the number, and false if the history does not have
// it, or no longer.
func (h *Hub) Find(number uint64) (Event, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i, ok := slices.BinarySearchFunc(h.history.events, number, func(n Numbered, number uint64) int { return cmp.Compare(n.Number, number) })
	if !ok {
		return nil, false
	}
	return h.history.events[i].Event, true
}

// Tap calls f for each event, in order, from the goroutine that publishes it.
// It is for counters, which must not miss an event. f must return at once and
// must not use the hub.
func (h *Hub) Tap(f func(Event)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taps = append(h.taps, f)
	h.watch()
}

func (h *Hub) watch() {
	h.watched.Store(len(h.taps) > 0 || slices.ContainsFunc(h.subs, func(s *Subscription) bool { return s.wants == nil || s.history }))
}

// totalDropped returns how many events all subscribers together missed.
func (h *Hub) totalDropped() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.dropped
	for _, s := range h.subs {
		n += s.Dropped()
	}
	return n
}

// SubscribeOptions are the settings of a subscription.
type SubscribeOptions struct {
	// History starts the subscription with the events in the hub's history, and
	// makes the hub keep its history for as long as the subscription is open.
	History bool
	// Wants, if set, selects the events of the subscription. The goroutine that
	// publishes an event calls it, in order. It must return at once and must not
	// use the hub.
	Wants func(Event) bool
}

// Subscribe returns a subscription to all events from now on. Close it when you
// stop reading it.
func (h *Hub) Subscribe(o SubscribeOptions) *Subscription {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &Subscription{hub: h, history: o.History, wants: o.Wants, events: make(chan Numbered, maxBuffered)}
	if h.closed {
		close(s.events)
		return s
	}
	if o.History {
		s.past = h.history.open()
	}
	h.subs = append(h.subs, s)
	h.watch()
	return s
}

// KeepHistory makes the hub keep its history until release is called.
func (h *Hub) KeepHistory() (release func()) {
	return h.Subscribe(SubscribeOptions{History: true, Wants: func(Event) bool { return false }}).Close
}

// close ends all subscriptions. Events that are already in a buffer can still be
// read.
func (h *Hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for len(h.subs) > 0 {
		h.remove(h.subs[0])
	}
}

func (h *Hub) remove(s *Subscription) {
	n := slices.Index(h.subs, s)
	if n < 0 {
		return
	}
	h.subs = slices.Delete(h.subs, n, n+1)
	h.watch()
	h.dropped += s.Dropped()
	close(s.events)
	if s.history {
		h.history.close()
	}
}

// Subscription is one subscriber's view of a Hub.
type Subscription struct {
	hub     *Hub
	history bool
	wants   func(Event) bool // nil for all
	wanted  bool             // the event that is being published; under the hub's lock
	past    []Numbered
	events  chan Numbered
	bytes   atomic.Int64 // of the events in the buffer
	dropped atomic.Uint64
}

// Events yields the events in order. It waits for more until ctx is done, or
// until the subscription is closed and its buffer is empty. Call it only once.
func (s *Subscription) Events(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for n := range s.Numbered(ctx) {
			if !yield(n.Event) {
				return
			}
		}
	}
}

// Numbered is Events with the number of each event, for Hub.Find.
func (s *Subscription) Numbered(ctx context.Context) iter.Seq[Numbered] {
	return func(yield func(Numbered) bool) {
		for _, e := range s.past {
			if !yield(e) {
				return
			}
		}
		s.past = nil
		for {
			select {
			case <-ctx.Done():
				return
			case e, ok := <-s.events:
				if !ok {
					return
				}
				s.bytes.Add(-e.size)
				if !yield(e) {
					return
				}
			}
		}
	}
}

// Dropped returns how many events the subscriber missed because its buffer was
// full.
func (s *Subscription) Dropped() uint64 { return s.dropped.Load() }

// Buffered returns how many events are waiting to be read.
func (s *Subscription) Buffered() int { return len(s.events) }

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.remove(s)
}

// offer buffers an event, or counts it as dropped. The caller holds the hub's
// lock.
func (s *Subscription) offer(e Numbered) {
	if s.bytes.Add(e.size) <= maxMemory {
		select {
		case s.events <- e:
			return
		default:
		}
	}
	s.bytes.Add(-e.size)
	s.dropped.Add(1)
}

// history keeps the last events while at least one subscriber needs them.
type history struct {
	users  int
	events []Numbered
	bytes  int64
}

func (h *history) open() []Numbered {
	h.users++
	return slices.Clone(h.events)
}

func (h *history) close() {
	if h.users--; h.users == 0 {
		*h = history{}
	}
}

func (h *history) add(e Numbered) {
	if h.users == 0 {
		return
	}
	h.events, h.bytes = append(h.events, e), h.bytes+e.size
	for len(h.events) > maxHistory || h.bytes > maxMemory {
		h.bytes -= h.events[0].size
		h.events[0] = Numbered{} // so that its body can be garbage-collected
		h.events = h.events[1:]
	}
}
