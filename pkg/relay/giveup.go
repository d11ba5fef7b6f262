package relay

import (
	"context"
	"errors"
	"maps"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// metaWhenFull is the metadata of a consumer for the WhenFull of its route, which the
// other listeners on a cluster need. Servers before 2.10 ignore metadata.
const metaWhenFull = "mender-webhooks-when-full"

// skips reports whether the route gives up its oldest events to make room.
func (r *route) skips() bool { return r.skip.Load() }

// describe returns the metadata of the route's consumer. A store needs none.
func (r *route) describe(have map[string]string) map[string]string {
	if r.q.o.single || (have[metaWhenFull] == string(Skip)) == r.skips() {
		return have
	}
	metadata := maps.Clone(have)
	delete(metadata, metaWhenFull)
	if r.skips() {
		if metadata == nil {
			metadata = map[string]string{}
		}
		metadata[metaWhenFull] = string(Skip)
	}
	return metadata
}

// fullWater is the share of MaxBytes at which giving up events stops. It is less than 1,
// so that not every delivery has to give up an event.
const fullWater = 0.95

// giveUp removes the oldest events that only routes with Skip still need, until an
// event of the given size has room. It reports whether it removed any. JetStream moves
// the positions of consumers past removed events, so that they need no other record.
func (q *Queue) giveUp(ctx context.Context, size uint64) bool {
	s, p, err := q.status(ctx)
	if err != nil {
		return false
	}
	limit := s.limit(fullWater, size)
	switch {
	case s.MaxBytes <= 0: // the account is full, and giving up may not help
		return false
	case s.Bytes <= limit: // another call was faster
		return true
	}
	var refusing, skipping []routePosition
	until := p.last
	for _, at := range p.routes {
		if at.route.skips() {
			skipping = append(skipping, at)
			continue
		}
		refusing = append(refusing, at)
		until = min(until, at.floor)
	}
	switch {
	case len(skipping) == 0 || p.messages == 0:
		return false
	case until < p.first: // events behind one that keeps failing for another route
		p.routes = refusing
		return q.giveUpPassed(ctx, p, skipping, over(s.Bytes, limit))
	}
	return q.giveUpUntil(ctx, p, skipping, min(until, p.estimate(s.Bytes, limit)))
}

// giveUpUntil gives up all events up to a sequence.
func (q *Queue) giveUpUntil(ctx context.Context, p position, skipping []routePosition, until uint64) bool {
	var holes []uint64
	if p.last-p.first+1 > p.messages {
		info, err := q.events.Info(ctx, jetstream.WithDeletedDetails(true))
		if err != nil {
			return false
		}
		holes = info.State.Deleted
	}
	q.ledger.giveUp(until)
	if err := q.purge(ctx, until+1); err != nil {
		return false
	}
	for _, at := range skipping {
		q.counters.route(at.route.name).events.add(at.unsettled(p.first, until, holes))
	}
	return true
}

// giveUpPassed gives up events that all routes of p, which are the others, have settled
// although they have not settled an earlier one.
func (q *Queue) giveUpPassed(ctx context.Context, p position, skipping []routePosition, bytes uint64) bool {
	settled := make([]func(uint64) bool, len(skipping))
	for i, at := range skipping {
		settled[i] = q.settledBy(at)
	}
	removed := q.removePassed(ctx, p, &q.needless, bytes)
	for i, at := range skipping {
		for _, seq := range removed {
			if settled[i](seq) {
				continue
			}
			q.counters.route(at.route.name).events.add(1)
			if f := at.route.forwarder.Load(); f != nil {
				f.obey(order{Settle: seq}) // it may wait for its next attempt
			}
		}
	}
	return len(removed) > 0
}

// unsettled returns how many events between two sequences the route has not settled.
// holes are the sequences without an event.
func (p routePosition) unsettled(first, last uint64, holes []uint64) uint64 {
	count := func(after, until uint64) uint64 {
		n := over(until, after)
		for _, hole := range holes {
			if hole > after && hole <= until {
				n--
			}
		}
		return n
	}
	begin := max(p.floor, over(first, 1))
	taken := min(max(p.delivered, begin), last)
	return min(count(begin, taken), uint64(p.open)) + count(taken, last)
}

// storeLetter stores a dead letter. If there is no room and the route skips, it removes
// the oldest ones of the route.
func (r *route) storeLetter(ctx context.Context, letter *nats.Msg) error {
	_, err := r.q.send(ctx, letter)
	for freed := 0; errors.Is(err, ErrFull) && r.skips() && freed <= letter.Size(); {
		n := r.removeOldestLetter(ctx)
		if n == 0 {
			break
		}
		freed += n
		_, err = r.q.send(ctx, letter)
	}
	return err
}

// removeOldestLetter removes the oldest dead letter of the route, to make room for
// another one. It returns about how many bytes that freed; 0 if there was no letter.
func (r *route) removeOldestLetter(ctx context.Context) int {
	q := r.q
	r.letters.Lock()
	defer r.letters.Unlock()
	for {
		raw, err := q.dead.GetMsg(ctx, max(r.nextLetter, 1), jetstream.WithGetMsgSubject(q.subject("dead", "*")))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			r.nextLetter = 0 // the stream may have been created again
		}
		if err != nil {
			return 0
		}
		r.nextLetter = raw.Sequence + 1
		if orElse(raw.Header.Get(headerRoute), DefaultRoute) != r.name {
			continue
		}
		q.ledger.remove()
		if err := q.removeDead(ctx, raw.Sequence); err != nil {
			return 0
		}
		q.counters.route(r.name).letters.add(1)
		return len(raw.Data) + messageOverhead
	}
}

// notice is a count that is logged at most once a period. It is safe for concurrent use,
// except for take.
type notice struct {
	count  atomic.Uint64
	logged uint64
	at     time.Time
}

// noticePeriod is the time between two lines about the same notice.
const noticePeriod = time.Minute

func (n *notice) add(more uint64) { n.count.Add(more) }

// take returns the count since the last line, or 0 if it is too early for another one.
func (n *notice) take(now time.Time) (more uint64) {
	more = n.count.Load() - n.logged
	if more == 0 || now.Sub(n.at) < noticePeriod {
		return 0
	}
	n.logged, n.at = n.logged+more, now
	return more
}

// logGivenUp logs how many events and dead letters were given up.
func (q *Queue) logGivenUp(now time.Time) {
	for name, c := range q.counters.allRoutes() {
		if n := c.events.take(now); n > 0 {
			q.o.Logf("the queue was full: %d of the oldest events were given up for the route %s", n, name)
		}
		if n := c.letters.take(now); n > 0 {
			q.o.Logf("there was no room for dead letters: %d of the oldest of the route %s were removed", n, name)
		}
	}
}
