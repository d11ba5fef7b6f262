package relay

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Several listeners may share a cluster's stream. What each of them alone
// knows is asked of all, and what all have to know is told to all.

// quiet is how long nobody else has to answer until all have.
const quiet = 200 * time.Millisecond

// ask returns what the forwarders say; none where there is none. All of them
// hear the order, and who has the event obeys.
func (q *Queue) ask(ctx context.Context, o order) []report {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	raw, err := json.Marshal(o)
	if err != nil {
		return nil
	}
	inbox := q.nc.NewInbox()
	answers, err := q.nc.SubscribeSync(inbox)
	if err != nil {
		return nil
	}
	defer func() { _ = answers.Unsubscribe() }() // fails only where the connection is gone
	if q.nc.PublishRequest(q.reportSubject(), inbox, raw) != nil {
		return nil
	}
	var reports []report
	for {
		m, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			return reports // nobody is there, or no more
		}
		var r report
		if json.Unmarshal(m.Data, &r) == nil {
			reports = append(reports, r)
		}
		if q.o.single {
			return reports
		}
		if len(reports) == 1 {
			var stop context.CancelFunc
			ctx, stop = context.WithTimeout(ctx, quiet)
			defer stop()
		}
	}
}

// tell lets the other listeners know that an event is settled which failed
// before, perhaps with them. Who misses it learns when all before it is settled.
func (f *Forwarder) tell(seq uint64) {
	if f.q.o.single {
		return
	}
	if raw, err := json.Marshal(order{Settled: seq}); err == nil {
		_ = f.q.nc.Publish(f.q.reportSubject(), raw)
	}
}

// add puts the forwarders' reports together. What is settled is no concern
// any more, whoever still has it in mind.
func (s *Status) add(reports []report, floor uint64) {
	s.Forwarding, s.Forwarders = len(reports) > 0, len(reports)
	var urls []string
	for _, r := range reports {
		s.InFlight += r.InFlight
		if !slices.Contains(urls, r.URL) {
			urls = append(urls, r.URL)
		}
		b := r.Blocked
		if b == nil || b.Sequence <= floor {
			continue
		}
		if s.Blocked == nil || b.Sequence < s.Blocked.Sequence ||
			(b.Sequence == s.Blocked.Sequence && b.Attempts > s.Blocked.Attempts) {
			s.Blocked = b
		}
	}
	s.URL = strings.Join(urls, ", ")
}

// unsettled are the events that forwarders have, nil where that is not known:
// none answered, or one that died has some.
func (q *Queue) unsettled(ctx context.Context, p position) map[uint64]struct{} {
	reports := q.ask(ctx, order{})
	if len(reports) == 0 {
		return nil
	}
	open := map[uint64]struct{}{}
	for _, r := range reports {
		for _, seq := range r.Open {
			if seq > p.floor {
				open[seq] = struct{}{}
			}
		}
	}
	if !q.o.single && len(open) < p.open {
		cons, err := q.cons.Info(ctx)
		if err != nil || len(open) < cons.NumAckPending {
			return nil
		}
	}
	return open
}

// compare says where other listeners were told another concurrency: the
// consumer they share has one.
func (f *Forwarder) compare(ctx context.Context) {
	if f.q.o.single {
		return
	}
	for _, r := range f.q.ask(ctx, order{}) {
		if r.Concurrency != f.o.Concurrency {
			f.q.o.Logf("another listener on this stream has a concurrency of %d, and this one of %d: from now on the latter counts for all",
				r.Concurrency, f.o.Concurrency)
			return
		}
	}
}

// How an acknowledgement is repeated until a cluster has confirmed it.
const (
	ackAnswer = 400 * time.Millisecond
	ackPause  = 50 * time.Millisecond
	ackEnd    = 2 * time.Minute
)

// ack settles an event with the store. An own server takes it at once. A
// cluster may just have no leader, and would have the event forwarded again,
// perhaps by a listener that knows nothing of it: there it is repeated until
// it is confirmed. As the cluster hands out no more than it waits for, these
// are few.
func (f *Forwarder) ack(msg jetstream.Msg) {
	if f.q.o.single {
		_ = msg.Ack() // where it is lost, the event comes again, and the tracker knows it
		return
	}
	f.acks.Go(func() {
		for end := time.Now().Add(ackEnd); f.work.Err() == nil && time.Now().Before(end); {
			ctx, cancel := context.WithTimeout(f.work, ackAnswer)
			_, err := f.q.nc.RequestWithContext(ctx, msg.Reply(), []byte("+ACK"))
			cancel()
			if err == nil {
				return
			}
			select {
			case <-time.After(ackPause):
			case <-f.work.Done():
			}
		}
	})
}

// confirmed waits until all acknowledgements are, or a time is over.
func (f *Forwarder) confirmed(limit time.Duration) {
	done := make(chan struct{})
	go func() {
		f.acks.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(limit):
		f.abort() // what is left is forwarded again
		<-done
	case <-f.work.Done():
		<-done
	}
}

// Ready asks whether the queue can take events in, as far as can be told
// without storing one. The error says why not; it wraps ErrUnavailable or
// ErrFull.
func (q *Queue) Ready(ctx context.Context) error {
	if q.barrier != nil {
		if err := q.barrier(); err != nil {
			return err
		}
	}
	_, err := within(ctx, func() (*jetstream.StreamInfo, error) { return q.events.Info(ctx) })
	return readError(err)
}
