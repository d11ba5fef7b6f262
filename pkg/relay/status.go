package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Status is the state of a queue at one moment. With several routes, an event waits
// until all of them have settled it.
type Status struct {
	Waiting  uint64   `json:"waiting"`   // not yet delivered, including those in flight; of the route that has most
	InFlight int      `json:"in_flight"` // attempts in progress
	Dead     uint64   `json:"dead"`
	Kept     uint64   `json:"kept"`      // delivered, retained for deduplication
	Bytes    uint64   `json:"bytes"`     // size of waiting and retained events
	MaxBytes int64    `json:"max_bytes"` // limit of Bytes
	Oldest   *Entry   `json:"oldest"`    // waiting event that was stored first, without its body; nil if none waits
	Blocked  *Blocked `json:"blocked"`   // failed event that was stored first; nil if none failed
	// Forwarding reports whether a forwarder answered. Without one, InFlight and
	// Blocked are unknown.
	Forwarding bool          `json:"forwarding"`
	Forwarders int           `json:"forwarders"`    // number of listeners on the queue
	URL        string        `json:"url,omitempty"` // targets, without credentials and query
	Routes     []RouteStatus `json:"routes"`
}

// RouteStatus is the state of one route. Its fields are as in Status.
type RouteStatus struct {
	Name       string   `json:"name"`
	Waiting    uint64   `json:"waiting"`
	InFlight   int      `json:"in_flight"`
	Blocked    *Blocked `json:"blocked"`
	Forwarding bool     `json:"forwarding"`
	Forwarders int      `json:"forwarders"`
	URL        string   `json:"url,omitempty"`
	Dead       uint64   `json:"dead"`

	oldest time.Time // when its first waiting event was stored; zero if none waits
}

// report is a forwarder's answer to an order.
type report struct {
	Route    string   `json:"route"`
	InFlight int      `json:"in_flight"`
	Blocked  *Blocked `json:"blocked"`
	URL      string   `json:"url"`
	Open     []uint64 `json:"open"` // in progress or failed
}

// reportTimeout is how long to wait for a forwarder's answer.
const reportTimeout = time.Second

func (q *Queue) reportSubject() string { return q.o.Prefix + ".relay." + q.streamName("EVENTS") }

// order asks forwarders to act on an event that waits for its next attempt. Its fields
// are sequences. The zero value only asks for a report.
type order struct {
	Settle uint64 `json:"settle,omitempty"` // it was dropped: continue with the next
	Hurry  uint64 `json:"hurry,omitempty"`  // retry it now
}

// serveStatus answers orders until the subscription ends.
func (q *Queue) serveStatus(f *Forwarder) (*nats.Subscription, error) {
	return q.nc.Subscribe(q.reportSubject(), func(m *nats.Msg) {
		var o order
		if len(m.Data) > 0 && json.Unmarshal(m.Data, &o) != nil {
			return // from another program
		}
		f.obey(o)
		raw, err := json.Marshal(f.report())
		if err == nil {
			_ = m.Respond(raw) // fails if the other process is gone
		}
	})
}

// obey carries out an order. It writes to the reply subject itself, because nats.go
// answers each message only once and has already returned these with a pause.
func (f *Forwarder) obey(o order) {
	if b, ok := f.tracker.pausing(o.Settle); ok {
		f.tracker.settle(o.Settle, b.stored)
		_ = f.q.nc.Publish(b.msg.Reply(), []byte("+ACK")) // if it is lost, the event is delivered again, and the tracker knows it
	}
	// After the pause, another listener may already have the event, and returning it
	// would deliver it to yet another one.
	if b, ok := f.tracker.pausing(o.Hurry); ok && time.Now().Before(b.Next) {
		_ = f.q.nc.Publish(b.msg.Reply(), []byte("-NAK")) // if it is lost, the pause ends as planned
	}
}

func (f *Forwarder) report() report {
	r := report{Route: f.route.name, URL: f.target.String()}
	r.InFlight, r.Blocked = f.tracker.state()
	for seq := range f.tracker.open() {
		r.Open = append(r.Open, seq)
	}
	return r
}

// Status asks the server and all forwarders for the state of the queue.
func (q *Queue) Status(ctx context.Context) (Status, error) {
	s, p, err := q.status(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("read the state of the queue: %w", err)
	}
	s.add(q.ask(ctx, order{}), p)
	if s.Dead == 0 {
		return s, nil
	}
	dead, err := q.deadByRoute(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("read the state of the queue: %w", readError(err))
	}
	for i := range s.Routes {
		s.Routes[i].Dead = dead[s.Routes[i].Name]
	}
	return s, nil
}

// quiet is how long to wait for another answer after the last one.
const quiet = 200 * time.Millisecond

// ask sends an order to all forwarders of the queue and returns their reports.
// A forwarder obeys if it has the event.
func (q *Queue) ask(ctx context.Context, o order) (reports []report) {
	raw, err := json.Marshal(o)
	if err != nil {
		return nil
	}
	inbox := q.nc.NewInbox()
	answers, err := q.nc.SubscribeSync(inbox)
	if err != nil {
		return nil
	}
	defer func() { _ = answers.Unsubscribe() }() // fails only without a connection
	if q.nc.PublishRequest(q.reportSubject(), inbox, raw) != nil {
		return nil
	}
	for limit := reportTimeout; ; limit = quiet {
		limited, cancel := context.WithTimeout(ctx, limit)
		m, err := answers.NextMsgWithContext(limited)
		cancel()
		if err != nil {
			return reports
		}
		if q.o.single && m.Header.Get("Status") != "" {
			return nil // there are no forwarders
		}
		var r report
		if json.Unmarshal(m.Data, &r) == nil {
			reports = append(reports, r)
		}
		if q.o.single && len(reports) >= len(q.routes()) {
			return reports
		}
	}
}

// add merges the forwarders' reports into the status. A report may still name
// events as failed, although another forwarder of the route settled them.
func (s *Status) add(reports []report, p position) {
	var urls []string
	for i := range s.Routes {
		r := &s.Routes[i]
		r.add(reports, p.routes[i].floor)
		s.InFlight += r.InFlight
		s.Forwarding = s.Forwarding || r.Forwarding
		s.Forwarders = max(s.Forwarders, r.Forwarders)
		if b := r.Blocked; b != nil && (s.Blocked == nil || b.Sequence < s.Blocked.Sequence) {
			s.Blocked = b
		}
		if r.URL != "" && !slices.Contains(urls, r.URL) {
			urls = append(urls, r.URL)
		}
	}
	s.URL = strings.Join(urls, ", ")
}

func (s *RouteStatus) add(reports []report, floor uint64) {
	var urls []string
	for _, r := range reports {
		if r.Route != s.Name {
			continue
		}
		s.Forwarding = true
		s.Forwarders++
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

// unsettled returns, for each route, the events that its forwarders have taken but not
// settled. A route is missing if no forwarder of it answered, or if one that has events
// did not.
func (q *Queue) unsettled(ctx context.Context, p position) map[string]map[uint64]struct{} {
	reports := q.ask(ctx, order{})
	unsettled := map[string]map[uint64]struct{}{}
	for _, at := range p.routes {
		open, answered := map[uint64]struct{}{}, false
		for _, r := range reports {
			if r.Route != at.route.name {
				continue
			}
			answered = true
			for _, seq := range r.Open {
				if seq > at.floor {
					open[seq] = struct{}{}
				}
			}
		}
		if answered && len(open) < at.open {
			info, err := at.route.info(ctx)
			answered = err == nil && len(open) >= info.NumAckPending
		}
		if answered {
			unsettled[at.route.name] = open
		}
	}
	return unsettled
}

// position describes the range of the stream and how far forwarding has come.
type position struct {
	first, last uint64 // range of the stream
	messages    uint64 // events in that range
	floor       uint64 // all events up to it are settled by all routes
	// routes has the queue's routes, in their order, and then, on a cluster, the other
	// listeners' routes. inactive has those for which no events are retained.
	routes, inactive []routePosition
}

func (q *Queue) status(ctx context.Context) (Status, position, error) {
	own := q.routes()
	routes := own
	if !q.o.single && !q.o.bind {
		others, err := q.sharedRoutes(ctx, own)
		if err != nil {
			return Status{}, position{}, readError(err)
		}
		routes = slices.Concat(routes, others)
	}
	var p position
	var s Status
	for i, r := range routes {
		cons, err := r.info(ctx)
		if err != nil {
			return Status{}, position{}, readError(err)
		}
		at := routePosition{
			route: r, floor: cons.AckFloor.Stream, delivered: cons.Delivered.Stream,
			open: cons.NumAckPending, waiting: cons.NumPending + uint64(cons.NumAckPending), info: cons,
		}
		if _, inactive := inactiveAfter(cons.Config); inactive && i >= len(own) {
			p.inactive = append(p.inactive, at)
			continue
		}
		p.routes = append(p.routes, at)
		s.Waiting = max(s.Waiting, at.waiting)
		s.Routes = append(s.Routes, RouteStatus{Name: r.name, Waiting: at.waiting})
	}
	stream, err := q.events.Info(ctx) // after the consumers: it can only have grown
	if err != nil {
		return Status{}, position{}, readError(err)
	}
	dead, err := q.dead.Info(ctx)
	if err != nil {
		return Status{}, position{}, readError(err)
	}
	s.Dead, s.Bytes, s.MaxBytes = dead.State.Msgs, stream.State.Bytes, stream.Config.MaxBytes
	s.Kept = over(stream.State.Msgs, s.Waiting)
	p.first, p.last, p.messages = stream.State.FirstSeq, stream.State.LastSeq, stream.State.Msgs
	p.floor = p.last
	for _, at := range p.routes {
		p.floor = min(p.floor, at.floor)
	}
	q.findOldest(ctx, &s, p)
	return s, p, nil
}

// findOldest adds the oldest waiting event to the status, and its time to each route.
func (q *Queue) findOldest(ctx context.Context, s *Status, p position) {
	found := map[uint64]Entry{} // by the floor before it; most routes have the same
	for i, at := range p.routes {
		if at.waiting == 0 {
			continue
		}
		e, ok := found[at.floor]
		if !ok {
			var err error
			if e, err = q.entryFrom(ctx, at.floor+1); err != nil {
				continue
			}
			e.Body, e.State = nil, Waiting
			found[at.floor] = e
		}
		s.Routes[i].oldest = e.Stored
		if s.Oldest == nil || e.Sequence < s.Oldest.Sequence {
			s.Oldest = &e
		}
	}
}

// entryFrom returns the first event at or after a sequence.
func (q *Queue) entryFrom(ctx context.Context, seq uint64) (Entry, error) {
	raw, err := q.events.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(q.subject("events", "*")))
	if err != nil {
		return Entry{}, readError(err)
	}
	return newEntry(raw.Subject, raw.Header, raw.Data, raw.Sequence, raw.Time), nil
}
