package receiving

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
)

// metricSet is the little of Prometheus' text format that --metrics needs.
// (VictoriaMetrics/metrics, which was here, took a seventh of every command's
// start, wrote to stderr where /sys is not mounted, and had histograms that
// Prometheus can't use.) It is safe for concurrent use.
type metricSet struct {
	mu     sync.Mutex
	series map[string]func(io.Writer)
}

func newMetricSet() *metricSet { return &metricSet{series: map[string]func(io.Writer){}} }

func (s *metricSet) add(name string, write func(io.Writer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.series[name] = write
}

// counter adds a series, which goes by its name and labels.
func (s *metricSet) counter(name string) *atomic.Uint64 {
	c := new(atomic.Uint64)
	s.add(name, func(w io.Writer) { fmt.Fprintf(w, "%s %d\n", name, c.Load()) })
	return c
}

// gauge adds a series that is asked for its value when it is written.
func (s *metricSet) gauge(name string, value func() float64) {
	s.add(name, func(w io.Writer) { fmt.Fprintf(w, "%s %v\n", name, value()) })
}

// histogram counts durations.
func (s *metricSet) histogram(name string) *histogram {
	h := new(histogram)
	s.add(name, func(w io.Writer) { h.write(w, name) })
	return h
}

// write writes every series, in the order of their names.
func (s *metricSet) write(w io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range cli.SortedKeys(s.series) {
		s.series[name](w)
	}
}

// buckets is how many durationBuckets there are.
const buckets = 13

// durationBuckets are upper bounds in seconds, up to Mender's own limit.
func durationBuckets() [buckets]float64 {
	return [buckets]float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10}
}

type histogram struct {
	counts [buckets + 1]atomic.Uint64 // of the bucket alone, not of those below it
	nanos  atomic.Int64
}

func (h *histogram) observe(d time.Duration) {
	bounds := durationBuckets()
	n, _ := slices.BinarySearch(bounds[:], d.Seconds())
	h.counts[n].Add(1)
	h.nanos.Add(int64(d))
}

func (h *histogram) write(w io.Writer, name string) {
	total := uint64(0)
	for n, bound := range durationBuckets() {
		total += h.counts[n].Load()
		fmt.Fprintf(w, "%s_bucket{le=\"%v\"} %d\n", name, bound, total)
	}
	total += h.counts[buckets].Load()
	fmt.Fprintf(w, "%s_bucket{le=\"+Inf\"} %d\n", name, total)
	fmt.Fprintf(w, "%s_sum %v\n%s_count %d\n", name, time.Duration(h.nanos.Load()).Seconds(), name, total)
}

// writeProcess writes how the process itself does.
func writeProcess(w io.Writer) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Fprintf(w, "go_goroutines %d\n", runtime.NumGoroutine())
	fmt.Fprintf(w, "go_memstats_heap_inuse_bytes %d\n", m.HeapInuse)
	fmt.Fprintf(w, "go_memstats_sys_bytes %d\n", m.Sys)
	fmt.Fprintf(w, "go_gc_cycles_total %d\n", m.NumGC)
}
