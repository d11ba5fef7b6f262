package relay_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// counter is a target that accepts every event at once.
type counter struct{ taken *atomic.Int64 }

func (c counter) Deliver(context.Context, target.Event) target.Result {
	c.taken.Add(1)
	return target.Result{Status: 204}
}
func (counter) String() string { return "counter" }
func (counter) Close() error   { return nil }

// BenchmarkRoutes measures storing with several routes: while their targets are down,
// so that the figures have the cost of a route for storing, and while they accept
// events, which takes processor time from storing.
func BenchmarkRoutes(b *testing.B) {
	for _, up := range []bool{false, true} {
		for _, routes := range []int{1, 3, 10} {
			b.Run(fmt.Sprintf("up=%t/routes=%d", up, routes), func(b *testing.B) { benchRoutes(b, routes, up) })
		}
	}
}

func benchRoutes(b *testing.B, n int, up bool) {
	var routes []relay.Route
	for i := range n {
		routes = append(routes, relay.Route{Name: fmt.Sprint("r", i)})
	}
	s := benchStore(b, relay.StoreOptions{Routes: routes})
	var taken atomic.Int64
	var forwarders []*relay.Forwarder
	for _, r := range routes {
		o := relay.ForwardOptions{Route: r.Name, Target: counter{&taken}, MinPause: time.Hour, MaxPause: time.Hour}
		if !up {
			o.Target = refusing{Err: context.DeadlineExceeded}
		}
		f, err := s.Forward(o)
		if err != nil {
			b.Fatal(err)
		}
		forwarders = append(forwarders, f)
	}
	b.SetParallelism(max(connections/runtime.GOMAXPROCS(0), 1))
	var next atomic.Int64
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Publish(b.Context(), event(fmt.Sprintf("b%d", next.Add(1)))); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "stored/s")
	for up && taken.Load() < int64(b.N*n) {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	if up {
		b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "forwarded/s")
	}
	b.ReportMetric(0, "ns/op")
	for _, f := range forwarders {
		if err := f.Stop(b.Context()); err != nil {
			b.Error(err)
		}
	}
}
