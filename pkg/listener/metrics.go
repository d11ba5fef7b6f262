package listener

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// monitorConns is how many monitoring connections may be open: few, so that
// enough descriptors remain for deliveries.
const monitorConns = 32

// metrics counts events of the hub. It is safe for concurrent use.
type metrics struct {
	mu          sync.Mutex
	received    map[answered]uint64
	answerTime  map[string]*histogram // by endpoint
	attempts    map[attempted]uint64
	attemptTime map[way]*histogram
	dead        map[way]uint64
}

// way is a route of an endpoint.
type way struct{ endpoint, route string }

type attempted struct {
	way
	result string
}

type answered struct {
	endpoint string
	verdict  webhook.Verdict
	status   int
}

func newMetrics() *metrics {
	return &metrics{
		received: map[answered]uint64{}, answerTime: map[string]*histogram{},
		attempts: map[attempted]uint64{}, attemptTime: map[way]*histogram{}, dead: map[way]uint64{},
	}
}

// begin sets the counters of an endpoint to 0 unless they exist, so that they do before
// the first event.
func (m *metrics) begin(e served) {
	routes := routesOf(e.sink.targets())
	if len(routes) == 0 {
		routes = []relay.Route{{Name: relay.DefaultRoute}}
	}
	orNew(m.answerTime, e.name)
	for _, r := range routes {
		w := way{e.name, r.Name}
		m.dead[w] += 0
		orNew(m.attemptTime, w)
		for _, result := range []string{"delivered", "failed"} {
			m.attempts[attempted{w, result}] += 0
		}
	}
}

// orNew returns the histogram with the key, and creates it if it is missing.
func orNew[K comparable](all map[K]*histogram, key K) *histogram {
	if all[key] == nil {
		all[key] = new(histogram)
	}
	return all[key]
}

func (m *metrics) count(e Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch e := e.(type) {
	case Received:
		m.received[answered{e.Endpoint, e.Verification.Verdict, e.Answer.Status}]++
		orNew(m.answerTime, e.Endpoint).observe(e.Took)
		if f := e.Answer.Forward; f != nil {
			m.attempted(way{e.Endpoint, relay.DefaultRoute}, f.Status >= 200 && f.Status < 300, time.Duration(f.DurationMS*float64(time.Millisecond)))
		}
	case Attempted:
		m.attempted(way{e.Endpoint, cmp.Or(e.Route, relay.DefaultRoute)}, e.Err == nil, e.Duration)
	case DeadLettered:
		m.dead[way{e.Endpoint, cmp.Or(e.Route, relay.DefaultRoute)}]++
	}
}

func (m *metrics) attempted(w way, delivered bool, took time.Duration) {
	result := "failed"
	if delivered {
		result = "delivered"
	}
	m.attempts[attempted{w, result}]++
	orNew(m.attemptTime, w).observe(took)
}

func (m *metrics) write(p *page, endpoints []served) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range endpoints {
		m.begin(e)
	}
	p.family("received_total", counter, "Requests to the webhook, by verdict and HTTP status of the answer.")
	for a, n := range sorted(m.received) {
		p.sample(way{endpoint: a.endpoint}.labels("verdict", a.verdict, "status", a.status), float64(n))
	}
	p.family("answer_duration_seconds", "histogram", "Time from a request's headers to the answer.")
	for endpoint, h := range sorted(m.answerTime) {
		p.histogram(h, way{endpoint: endpoint})
	}
	p.family("forward_attempts_total", counter, "Attempts to forward an event, by result.")
	for a, n := range sorted(m.attempts) {
		p.sample(a.labels("result", a.result), float64(n))
	}
	p.family("forward_duration_seconds", "histogram", "Time from the start of an attempt to the headers of the application's answer.")
	for w, h := range sorted(m.attemptTime) {
		p.histogram(h, w)
	}
	p.counts("dead_lettered_total", "Events that became dead letters.", m.dead)
}

// sorted yields a map in the order of its keys' text.
func sorted[K comparable, V any](all map[K]V) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		keys := slices.SortedFunc(maps.Keys(all), func(a, b K) int { return strings.Compare(fmt.Sprintf("%#v", a), fmt.Sprintf("%#v", b)) })
		for _, key := range keys {
			if !yield(key, all[key]) {
				return
			}
		}
	}
}

// labels returns the labels of a sample: pairs of names and values, then endpoint
// and route. An endpoint without a name has no label, and neither has
// the route of a target without one.
func (w way) labels(pairs ...any) string {
	if w.endpoint != "" {
		pairs = append(pairs, "endpoint", w.endpoint)
	}
	if w.route != "" && w.route != relay.DefaultRoute {
		pairs = append(pairs, "route", w.route)
	}
	var all []string
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, fmt.Sprintf("%s=%q", pairs[i], fmt.Sprint(pairs[i+1])))
	}
	if len(all) == 0 {
		return ""
	}
	return "{" + strings.Join(all, ",") + "}"
}

// writeMetrics adds the metrics of the connections, the subscribers, the queues
// and the process.
func (l *Listener) writeMetrics(p *page) {
	p.value("connections", gauge, "Open connections to the webhook.", float64(l.server.Conns()))
	p.value("unreadable_requests_total", counter, "Connections that failed before there was a request: in the TLS handshake, or with malformed or oversized headers.", float64(l.server.Unreadable()))
	p.value("lines_dropped_total", counter, "Events that a slow display or --save missed; storing and forwarding are not affected.", float64(l.hub.totalDropped()))
	writeQueues(p, l.set.Load().all)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	p.prefix = "go_"
	p.value("goroutines", gauge, "Current number of goroutines.", float64(runtime.NumGoroutine()))
	p.value("memstats_heap_inuse_bytes", gauge, "Bytes of the heap in use.", float64(m.HeapInuse))
	p.value("memstats_sys_bytes", gauge, "Bytes of memory obtained from the system.", float64(m.Sys))
	p.value("gc_cycles_total", counter, "Completed garbage collections.", float64(m.NumGC))
}

// queueStats are the statistics of an endpoint's queue.
type queueStats struct {
	relay.Stats
	endpoint string
}

func writeQueues(p *page, endpoints []served) {
	var queues []queueStats
	for _, e := range endpoints {
		if s, ok := e.sink.stats(); ok {
			queues = append(queues, queueStats{s, e.name})
		}
	}
	if len(queues) == 0 {
		return
	}
	p.routes("waiting", gauge, "Stored events that the application has not accepted yet.", queues, func(r relay.RouteStats) float64 { return float64(r.Waiting) })
	p.routes("oldest_waiting_seconds", gauge, "Age of the event that has waited longest, or 0.", queues, func(r relay.RouteStats) float64 { return r.OldestAge.Seconds() })
	p.routes("filtered_total", counter, "Events that the filter of a route excluded.", queues, func(r relay.RouteStats) float64 { return float64(r.Skipped) })
	p.routes("filter_errors_total", counter, "Events on which the filter of a route failed.", queues, func(r relay.RouteStats) float64 { return float64(r.FilterErrors) })
	p.routes("given_up_total", counter, "Events and dead letters that a full queue gave up for a route.", queues, func(r relay.RouteStats) float64 { return float64(r.GivenUp) })
	p.queues("dead", gauge, "Dead letters in the store.", queues, func(s relay.Stats) float64 { return float64(s.Dead) })
	p.queues("available", gauge, "1 if events can be stored, else 0.", queues, func(s relay.Stats) float64 {
		if s.Available {
			return 1
		}
		return 0
	})
	p.queues("queue_bytes", gauge, "Bytes of the events in the store.", queues, func(s relay.Stats) float64 { return float64(s.Bytes) })
	p.queues("queue_max_bytes", gauge, "Maximum size of the events in the store, in bytes.", queues, func(s relay.Stats) float64 { return float64(s.MaxBytes) })
	p.queues("stored_total", counter, "Events stored.", queues, func(s relay.Stats) float64 { return float64(s.Stored) })
	p.queues("duplicates_total", counter, "Events that were already in the store.", queues, func(s relay.Stats) float64 { return float64(s.Duplicates) })
	p.queues("refused_total", counter, "Events that could not be stored.", queues, func(s relay.Stats) float64 { return float64(s.Refused) })
}

// The types of metrics in Prometheus's text format.
const (
	counter = "counter"
	gauge   = "gauge"
)
