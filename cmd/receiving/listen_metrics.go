package receiving

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// listenMetrics are what --metrics serves. A nil one counts nothing.
type listenMetrics struct {
	set     *metricSet
	answers *histogram
	forward *histogram
	// counters by answer, since looking them up by name costs as much as
	// checking a signature.
	adding   sync.Mutex
	counters sync.Map // answer to *atomic.Uint64
}

type answer struct {
	verdict webhook.Verdict
	status  int
}

func newListenMetrics() *listenMetrics {
	set := newMetricSet()
	return &listenMetrics{
		set:     set,
		answers: set.histogram(`mender_webhooks_answer_duration_seconds`),
		forward: set.histogram(`mender_webhooks_forward_duration_seconds`),
	}
}

// received counts an answer.
func (m *listenMetrics) received(v webhook.Verdict, status int, took time.Duration) {
	if m == nil {
		return
	}
	m.count(answer{v, status}, func() string {
		return fmt.Sprintf(`mender_webhooks_received_total{verdict=%q,status="%d"}`, v, status)
	})
	m.answers.observe(took)
}

// count adds one to the series that goes by key, and names it when it is new.
func (m *listenMetrics) count(key any, name func() string) {
	counter, known := m.counters.Load(key)
	if !known {
		m.adding.Lock()
		if counter, known = m.counters.Load(key); !known {
			counter = m.set.counter(name())
			m.counters.Store(key, counter)
		}
		m.adding.Unlock()
	}
	counter.(*atomic.Uint64).Add(1)
}

// forwarded counts a step on the way to the application.
func (m *listenMetrics) forwarded(step relay.Step) {
	switch {
	case m == nil:
		return
	case step.Kind == relay.StepDead:
		m.named(`mender_webhooks_died_total`)
		return
	case step.Err != nil:
		m.named(`mender_webhooks_forward_attempts_total{result="failed"}`)
	default:
		m.named(`mender_webhooks_forward_attempts_total{result="delivered"}`)
	}
	m.forward.observe(step.Duration)
}

func (m *listenMetrics) named(series string) { m.count(series, func() string { return series }) }

// watch adds what the queue holds.
func (m *listenMetrics) watch(stats func() relay.Stats) {
	if m == nil {
		return
	}
	gauge := func(name string, value func(relay.Stats) float64) {
		m.set.gauge("mender_webhooks_"+name, func() float64 { return value(stats()) })
	}
	gauge("waiting", func(s relay.Stats) float64 { return float64(s.Waiting) })
	gauge("oldest_waiting_seconds", func(s relay.Stats) float64 { return s.OldestAge.Seconds() })
	gauge("dead", func(s relay.Stats) float64 { return float64(s.Dead) })
	gauge("queue_bytes", func(s relay.Stats) float64 { return float64(s.Bytes) })
	gauge("queue_max_bytes", func(s relay.Stats) float64 { return float64(s.MaxBytes) })
	gauge("stored_total", func(s relay.Stats) float64 { return float64(s.Stored) })
	gauge("duplicates_total", func(s relay.Stats) float64 { return float64(s.Duplicates) })
	gauge("refused_total", func(s relay.Stats) float64 { return float64(s.Refused) })
}

// serveMetrics serves --metrics, if it was given, until the returned function
// is called.
func (l *listener) serveMetrics(ctx context.Context) (stop func(), err error) {
	if l.options.metrics == "" {
		return func() {}, nil
	}
	nl, err := cli.ListenOn(ctx, "--metrics", l.options.metrics)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		l.metrics.set.write(w)
		fmt.Fprintf(w, "mender_webhooks_connections %d\n", l.server.Conns())
		fmt.Fprintf(w, "mender_webhooks_lines_dropped_total %d\n", l.rc.Dropped()+l.lines.dropped.Load())
		writeProcess(w)
	})
	// healthz: the process lives. readyz: it can take events in.
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := l.sink.ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(nl) // it ends when stop closes it
	}()
	l.app.Say("metrics on http://%s/metrics", nl.Addr())
	return func() {
		_ = srv.Close() // nothing that matters is under way
		<-served
	}, nil
}
