package relay_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// connections is the number of senders in the benchmarks of storing.
const connections = 16

// BenchmarkHandler compares a bare handler, which reads the body and answers 204,
// with one that stores the body first. The sender runs in this process too, so the
// figures include its share.
func BenchmarkHandler(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		load(b, func(string, []byte) int { return http.StatusNoContent })
	})
	for _, sync := range []bool{false, true} {
		b.Run(fmt.Sprintf("store/sync=%t", sync), func(b *testing.B) {
			s := benchStore(b, relay.StoreOptions{Sync: sync})
			load(b, func(id string, body []byte) int {
				e := event(id)
				e.Body = body
				if _, err := s.Publish(b.Context(), e); err != nil {
					b.Error(err)
					return http.StatusServiceUnavailable
				}
				return http.StatusNoContent
			})
		})
	}
}

func benchStore(b *testing.B, o relay.StoreOptions) *relay.Store {
	b.Helper()
	o.Dir, o.Logf, o.MaxBytes = b.TempDir(), b.Logf, 8<<30
	s, err := relay.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// load sends b.N events over connections, and reports the rate and the 99th
// percentile of the answer times.
func load(b *testing.B, handle func(id string, body []byte) int) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			b.Error(err)
			return
		}
		w.WriteHeader(handle(r.Header.Get("X-Id"), body))
	}))
	defer server.Close()
	transport := &http.Transport{MaxIdleConnsPerHost: connections}
	defer transport.CloseIdleConnections()
	body := string(event("00000000-0000-0000-0000-000000000000").Body)
	var next atomic.Int64
	times := make([][]time.Duration, connections)
	var senders sync.WaitGroup
	b.ResetTimer()
	for c := range connections {
		senders.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				start := time.Now()
				send(b, transport, server.URL, fmt.Sprintf("b%d", n), body)
				times[c] = append(times[c], time.Since(start))
			}
		})
	}
	senders.Wait()
	b.StopTimer()
	report(b, slices.Concat(times...))
}

func report(b *testing.B, times []time.Duration) {
	b.Helper()
	b.ReportMetric(float64(len(times))/b.Elapsed().Seconds(), "events/s")
	if len(times) > 0 {
		slices.Sort(times)
		b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
	}
	b.ReportMetric(0, "ns/op")
}

func send(b *testing.B, transport *http.Transport, url, id, body string) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		b.Error(err)
		return
	}
	req.Header.Set("X-Id", id)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		b.Error(err)
		return
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		b.Errorf("answered %d", resp.StatusCode)
	}
}

// BenchmarkPublish measures storing without HTTP.
func BenchmarkPublish(b *testing.B) {
	for _, sync := range []bool{false, true} {
		b.Run(fmt.Sprintf("sync=%t", sync), func(b *testing.B) {
			s := benchStore(b, relay.StoreOptions{Sync: sync})
			b.SetParallelism(max(connections/runtime.GOMAXPROCS(0), 1))
			var next atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := s.Publish(b.Context(), event(fmt.Sprintf("b%d", next.Add(1)))); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkForward measures forwarding from the store to an application that
// answers at once.
func BenchmarkForward(b *testing.B) {
	for _, concurrency := range []int{1, 16} {
		b.Run(fmt.Sprintf("concurrency=%d", concurrency), func(b *testing.B) {
			s := benchStore(b, relay.StoreOptions{})
			fill(b, s, b.N)
			done := make(chan struct{})
			var taken atomic.Int64
			app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if taken.Add(1) == int64(b.N) {
					close(done)
				}
			}))
			defer app.Close()
			b.ResetTimer()
			f, err := s.Forward(relay.ForwardOptions{Target: to(app.URL), Concurrency: concurrency})
			if err != nil {
				b.Fatal(err)
			}
			<-done
			b.StopTimer()
			if err := f.Stop(b.Context()); err != nil {
				b.Error(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// fill stores n events as fast as possible.
func fill(b *testing.B, s *relay.Store, n int) {
	b.Helper()
	var next atomic.Int64
	var workers sync.WaitGroup
	for range connections {
		workers.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if _, err := s.Publish(b.Context(), event(fmt.Sprintf("b%d", i))); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	workers.Wait()
}
