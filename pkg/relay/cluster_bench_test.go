package relay_test

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// BenchmarkCluster measures storing on and forwarding from three nodes, which
// share this machine's cores with the listener and the application.
func BenchmarkCluster(b *testing.B) {
	n := startNodes(b, os.Args[0])
	for _, replicas := range []int{1, 3} {
		c := dialNodes(b, relay.DialOptions{URLs: n.urls, Replicas: replicas, Prefix: fmt.Sprintf("r%d", replicas)})
		var next atomic.Int64
		b.Run(fmt.Sprintf("publish/replicas=%d", replicas), func(b *testing.B) {
			b.SetParallelism(max(connections/runtime.GOMAXPROCS(0), 1))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := c.Publish(b.Context(), event(fmt.Sprintf("b%d", next.Add(1)))); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(0, "ns/op")
		})
		for _, concurrency := range []int{1, 16} {
			b.Run(fmt.Sprintf("forward/replicas=%d/concurrency=%d", replicas, concurrency), func(b *testing.B) {
				benchClusterForward(b, n, fmt.Sprintf("f%d-%d-%d", replicas, concurrency, b.N), replicas, concurrency)
			})
		}
		if err := c.Close(); err != nil {
			b.Error(err)
		}
	}
}

func benchClusterForward(b *testing.B, n *nodes, prefix string, replicas, concurrency int) {
	c := dialNodes(b, relay.DialOptions{URLs: n.urls, Replicas: replicas, Prefix: prefix})
	var taken atomic.Int64
	app := newServer(b, counting(&taken))
	for i := range b.N {
		publishTo(b, c, fmt.Sprintf("b%d", i))
	}
	o := quick(app)
	o.Concurrency = concurrency
	b.ResetTimer()
	f, err := c.Forward(o)
	if err != nil {
		b.Fatal(err)
	}
	for taken.Load() < int64(b.N) {
		time.Sleep(100 * time.Microsecond)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(0, "ns/op")
	if err := f.Stop(b.Context()); err != nil {
		b.Error(err)
	}
}

func counting(n *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.WriteHeader(http.StatusNoContent)
	}
}
