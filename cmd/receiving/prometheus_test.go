package receiving

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMetricsAreInPrometheusFormat(t *testing.T) {
	t.Parallel()
	s := newMetricSet()
	s.counter(`taken_total{verdict="valid"}`).Add(3)
	s.gauge("waiting", func() float64 { return 1.5 })
	h := s.histogram("took_seconds")
	for _, took := range []time.Duration{time.Microsecond, time.Millisecond, 3 * time.Millisecond, time.Minute} {
		h.observe(took)
	}
	var got strings.Builder
	s.write(&got)
	const want = `taken_total{verdict="valid"} 3
took_seconds_bucket{le="0.0005"} 1
took_seconds_bucket{le="0.001"} 2
took_seconds_bucket{le="0.0025"} 2
took_seconds_bucket{le="0.005"} 3
took_seconds_bucket{le="0.01"} 3
took_seconds_bucket{le="0.025"} 3
took_seconds_bucket{le="0.05"} 3
took_seconds_bucket{le="0.1"} 3
took_seconds_bucket{le="0.25"} 3
took_seconds_bucket{le="0.5"} 3
took_seconds_bucket{le="1"} 3
took_seconds_bucket{le="2.5"} 3
took_seconds_bucket{le="10"} 3
took_seconds_bucket{le="+Inf"} 4
took_seconds_sum 60.004001
took_seconds_count 4
waiting 1.5
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}
