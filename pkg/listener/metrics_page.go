package listener

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
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

// counts adds a family with a counter for each route.
func (p *page) counts(name, help string, counts map[way]uint64) {
	p.family(name, counter, help)
	for w, n := range sorted(counts) {
		p.sample(w.labels(), float64(n))
	}
}

// queues adds a family with a sample for each queue.
func (p *page) queues(name, kind, help string, queues []queueStats, value func(relay.Stats) float64) {
	p.family(name, kind, help)
	for _, q := range queues {
		p.sample(way{endpoint: q.endpoint}.labels(), value(q.Stats))
	}
}

// routes adds a family with a sample for each route of each queue.
func (p *page) routes(name, kind, help string, queues []queueStats, value func(relay.RouteStats) float64) {
	p.family(name, kind, help)
	for _, q := range queues {
		for _, r := range q.Routes {
			p.sample(way{q.endpoint, r.Name}.labels(), value(r))
		}
	}
}

// histogram adds the samples of a histogram to the current family.
func (p *page) histogram(h *histogram, w way) {
	total := uint64(0)
	for n, bound := range durationBounds() {
		total += h.counts[n]
		p.sample("_bucket"+w.labels("le", bound), float64(total))
	}
	total += h.counts[len(h.counts)-1]
	p.sample("_bucket"+w.labels("le", "+Inf"), float64(total))
	p.sample("_sum"+w.labels(), h.sum.Seconds())
	p.sample("_count"+w.labels(), float64(total))
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
