package listener

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// monitorConns is how many monitoring connections may be open: few, so that
// enough descriptors remain for deliveries.
const monitorConns = 32

// monitor serves metrics, /healthz and /readyz until the returned function is
// called. It does nothing if nl is nil.
func (l *Listener) monitor(nl net.Listener) (stop func()) {
	if nl == nil {
		return func() {}
	}
	m := &metrics{received: map[answered]uint64{}, attempts: map[attempted]uint64{}, attemptTime: map[string]*histogram{}, dead: map[string]uint64{}}
	m.begin(l.o.routes())
	l.hub.Tap(m.count)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		p := &page{}
		m.write(p)
		l.writeMetrics(p)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(p.Bytes()) // the client may have disconnected
	})
	// healthz: the process is running. readyz: it can accept events.
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := l.sink.ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	srv := receiver.NewServer(receiver.ServerOptions{Handler: mux, MaxConns: monitorConns, Warn: l.o.Server.Warn})
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(ctx, nl) // until it is closed
	}()
	return func() {
		cancel()
		_ = srv.Close() // nothing that matters is in progress
		<-served
	}
}

// metrics counts events of the hub. It is safe for concurrent use.
type metrics struct {
	mu          sync.Mutex
	received    map[answered]uint64
	answerTime  histogram
	attempts    map[attempted]uint64
	attemptTime map[string]*histogram // by route
	dead        map[string]uint64     // by route
}

type attempted struct{ result, route string }

// begin sets the counters of routes to 0, so that they exist before the first event.
func (m *metrics) begin(routes []relay.Route) {
	if len(routes) == 0 {
		routes = []relay.Route{{Name: relay.DefaultRoute}}
	}
	for _, r := range routes {
		route := r.Name
		m.dead[route] = 0
		m.attemptTime[route] = new(histogram)
		for _, result := range []string{"delivered", "failed"} {
			m.attempts[attempted{result, route}] = 0
		}
	}
}

type answered struct {
	verdict webhook.Verdict
	status  int
}

func (m *metrics) count(e Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch e := e.(type) {
	case Received:
		m.received[answered{e.Verification.Verdict, e.Answer.Status}]++
		m.answerTime.observe(e.Took)
		if f := e.Answer.Forward; f != nil {
			m.attempted(relay.DefaultRoute, f.Status >= 200 && f.Status < 300, time.Duration(f.DurationMS*float64(time.Millisecond)))
		}
	case Attempted:
		m.attempted(cmp.Or(e.Route, relay.DefaultRoute), e.Err == nil, e.Duration)
	case DeadLettered:
		m.dead[cmp.Or(e.Route, relay.DefaultRoute)]++
	}
}

func (m *metrics) attempted(route string, delivered bool, took time.Duration) {
	result := "failed"
	if delivered {
		result = "delivered"
	}
	m.attempts[attempted{result, route}]++
	h := m.attemptTime[route]
	if h == nil {
		h = new(histogram)
		m.attemptTime[route] = h
	}
	h.observe(took)
}

func (m *metrics) write(p *page) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.family("received_total", counter, "Requests to the webhook, by verdict and HTTP status of the answer.")
	for _, a := range slices.SortedFunc(maps.Keys(m.received), func(a, b answered) int {
		return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
	}) {
		p.sample(fmt.Sprintf("{verdict=%q,status=\"%d\"}", a.verdict, a.status), float64(m.received[a]))
	}
	p.family("answer_duration_seconds", "histogram", "Time from a request's headers to the answer.")
	p.histogram(&m.answerTime, relay.DefaultRoute)
	p.family("forward_attempts_total", counter, "Attempts to forward an event, by result.")
	for _, a := range slices.SortedFunc(maps.Keys(m.attempts), func(a, b attempted) int {
		return cmp.Or(strings.Compare(a.route, b.route), strings.Compare(a.result, b.result))
	}) {
		p.sample(labels(fmt.Sprintf("result=%q", a.result), a.route), float64(m.attempts[a]))
	}
	p.family("forward_duration_seconds", "histogram", "Time from the start of an attempt to the headers of the application's answer.")
	for _, route := range slices.Sorted(maps.Keys(m.attemptTime)) {
		p.histogram(m.attemptTime[route], route)
	}
	p.family("dead_lettered_total", counter, "Events that became dead letters.")
	for _, route := range slices.Sorted(maps.Keys(m.dead)) {
		p.sample(labels("", route), float64(m.dead[route]))
	}
}

// labels returns the labels of a sample. The route of a target without a name has no
// label.
func labels(others, route string) string {
	if route != relay.DefaultRoute {
		others = strings.TrimPrefix(others+fmt.Sprintf(",route=%q", route), ",")
	}
	if others == "" {
		return ""
	}
	return "{" + others + "}"
}

// writeMetrics adds the metrics of the connections, the subscribers, the queue
// and the process.
func (l *Listener) writeMetrics(p *page) {
	p.value("connections", gauge, "Open connections to the webhook.", float64(l.server.Conns()))
	p.value("unreadable_requests_total", counter, "Connections that failed before there was a request: in the TLS handshake, or with malformed or oversized headers.", float64(l.server.Unreadable()))
	p.value("lines_dropped_total", counter, "Events that a slow display or --save missed; storing and forwarding are not affected.", float64(l.hub.totalDropped()))
	if s, ok := l.sink.stats(); ok {
		writeQueue(p, s)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	p.prefix = "go_"
	p.value("goroutines", gauge, "Current number of goroutines.", float64(runtime.NumGoroutine()))
	p.value("memstats_heap_inuse_bytes", gauge, "Bytes of the heap in use.", float64(m.HeapInuse))
	p.value("memstats_sys_bytes", gauge, "Bytes of memory obtained from the system.", float64(m.Sys))
	p.value("gc_cycles_total", counter, "Completed garbage collections.", float64(m.NumGC))
}

func writeQueue(p *page, s relay.Stats) {
	p.family("waiting", gauge, "Stored events that the application has not accepted yet.")
	for _, r := range s.Routes {
		p.sample(labels("", r.Name), float64(r.Waiting))
	}
	p.family("oldest_waiting_seconds", gauge, "Age of the event that has waited longest, or 0.")
	for _, r := range s.Routes {
		p.sample(labels("", r.Name), r.OldestAge.Seconds())
	}
	p.family("filtered_total", counter, "Events that the filter of a route excluded.")
	for _, r := range s.Routes {
		p.sample(labels("", r.Name), float64(r.Skipped))
	}
	p.family("filter_errors_total", counter, "Events on which the filter of a route failed.")
	for _, r := range s.Routes {
		p.sample(labels("", r.Name), float64(r.FilterErrors))
	}
	p.family("given_up_total", counter, "Events and dead letters that a full queue gave up for a route.")
	for _, r := range s.Routes {
		p.sample(labels("", r.Name), float64(r.GivenUp))
	}
	p.value("dead", gauge, "Dead letters in the store.", float64(s.Dead))
	available := 0.0
	if s.Available {
		available = 1
	}
	p.value("available", gauge, "1 if events can be stored, else 0.", available)
	p.value("queue_bytes", gauge, "Bytes of the events in the store.", float64(s.Bytes))
	p.value("queue_max_bytes", gauge, "Maximum size of the events in the store, in bytes.", float64(s.MaxBytes))
	p.value("stored_total", counter, "Events stored.", float64(s.Stored))
	p.value("duplicates_total", counter, "Events that were already in the store.", float64(s.Duplicates))
	p.value("refused_total", counter, "Events that could not be stored.", float64(s.Refused))
}

// The types of metrics in Prometheus's text format.
const (
	counter = "counter"
	gauge   = "gauge"
)

// page is a page in Prometheus's text format. It is written by hand because
// prometheus/client_golang would make the program 3 MiB larger.
type page struct {
	bytes.Buffer
	prefix string // mender_webhooks_ if empty
	name   string // of the current family
}

// family starts a metric family: the samples that share a name.
func (p *page) family(name, kind, help string) {
	p.name = "mender_webhooks_" + name
	if p.prefix != "" {
		p.name = p.prefix + name
	}
	fmt.Fprintf(p, "# HELP %s %s\n# TYPE %s %s\n", p.name, help, p.name, kind)
}

// sample adds a sample to the current family; suffix is appended to its name.
func (p *page) sample(suffix string, value float64) {
	fmt.Fprintf(p, "%s%s %s\n", p.name, suffix, strconv.FormatFloat(value, 'f', -1, 64))
}

// value adds a family with a single sample.
func (p *page) value(name, kind, help string, value float64) {
	p.family(name, kind, help)
	p.sample("", value)
}

// histogram adds the samples of a route's histogram to the current family.
func (p *page) histogram(h *histogram, route string) {
	total := uint64(0)
	for n, bound := range durationBounds() {
		total += h.counts[n]
		p.sample("_bucket"+labels(fmt.Sprintf("le=\"%v\"", bound), route), float64(total))
	}
	total += h.counts[len(h.counts)-1]
	p.sample("_bucket"+labels(`le="+Inf"`, route), float64(total))
	p.sample("_sum"+labels("", route), h.sum.Seconds())
	p.sample("_count"+labels("", route), float64(total))
}

const buckets = 13

// durationBounds returns the buckets' upper bounds, in seconds. The last one is
// Mender's limit for a delivery.
func durationBounds() [buckets]float64 {
	return [buckets]float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10}
}

// histogram counts durations.
type histogram struct {
	counts [buckets + 1]uint64 // per bucket, not cumulative
	sum    time.Duration
}

func (h *histogram) observe(d time.Duration) {
	bounds := durationBounds()
	n, _ := slices.BinarySearch(bounds[:], d.Seconds())
	h.counts[n]++
	h.sum += d
}
