package receiver_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// benchConns is how many keep-alive connections the benchmarks send over.
const benchConns = 16

// BenchmarkListen compares the receiver, which verifies and counts but prints
// nothing, with a bare handler that reads the body and answers 204. They take
// turns, over real loopback connections:
//
//	go test -run xxx -bench Listen -benchtime 200000x -count 5 ./pkg/receiver
func BenchmarkListen(b *testing.B) {
	b.Run("counting", func(b *testing.B) { compare(b, receiver.Options{}) })
	b.Run("observed", func(b *testing.B) {
		compare(b, receiver.Options{Observe: func(receiver.Exchange) {}, Remember: 1024})
	})
}

func compare(b *testing.B, o receiver.Options) {
	s := secret(b, "deadbeef")
	o.Secrets = only(s)
	rc, err := receiver.New(o)
	if err != nil {
		b.Fatal(err)
	}
	srv := receiver.NewServer(receiver.ServerOptions{Handler: rc})
	bare := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusNoContent)
	})}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	l1, l2 := listen(b), listen(b)
	serving.Go(func() { _ = bare.Serve(l1) })
	serving.Go(func() { _ = srv.Serve(ctx, l2) })
	raw := rawDelivery(b, s)
	theirs, ours := dial(b, l1, raw), dial(b, l2, raw)

	const chunk = 4000
	b.ResetTimer()
	for done := 0; done < b.N; done += chunk {
		theirs.send(b, chunk)
		ours.send(b, chunk)
	}
	b.StopTimer()
	rate := func(c *crowd) float64 { return float64(len(c.times())) / c.spent.Seconds() }
	b.ReportMetric(rate(theirs), "bare/s")
	b.ReportMetric(rate(ours), "ours/s")
	b.ReportMetric(rate(ours)/rate(theirs), "ratio")
	b.ReportMetric(float64(ours.times()[len(ours.times())*99/100].Microseconds()), "p99-µs")
	theirs.close()
	ours.close()
	cancel()
	_ = bare.Close()
	serving.Wait()
	if n := rc.Count(webhook.Valid); n != uint64(len(ours.times())) {
		b.Errorf("%d of %d were valid", n, len(ours.times()))
	}
}

func listen(b *testing.B) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// rawDelivery returns a recorded delivery as it is sent over the wire. The clients
// write its bytes without net/http, so that the time measured is the server's.
func rawDelivery(b *testing.B, s webhook.Secret) []byte {
	req, err := webhook.NewRequest(context.Background(), "http://127.0.0.1/hook", recorded(b)[1].body, s)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	var raw bytes.Buffer
	if err := req.Write(&raw); err != nil {
		b.Fatal(err)
	}
	return raw.Bytes()
}

// crowd is benchConns connections that send at the same time.
type crowd struct {
	raw   []byte
	conns []net.Conn
	took  [][]time.Duration
	spent time.Duration
	all   []time.Duration
}

func dial(b *testing.B, l net.Listener, raw []byte) *crowd {
	c := &crowd{raw: raw, took: make([][]time.Duration, benchConns)}
	for range benchConns {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		c.conns = append(c.conns, nc)
	}
	return c
}

func (c *crowd) send(b *testing.B, n int) {
	var clients sync.WaitGroup
	begin := time.Now()
	for i, nc := range c.conns {
		clients.Go(func() { c.took[i] = append(c.took[i], hammer(b, nc, c.raw, n/len(c.conns))...) })
	}
	clients.Wait()
	c.spent += time.Since(begin)
}

// times returns how long each request took, sorted.
func (c *crowd) times() []time.Duration {
	if c.all == nil {
		c.all = slices.Concat(c.took...)
		slices.Sort(c.all)
	}
	return c.all
}

func (c *crowd) close() {
	for _, nc := range c.conns {
		_ = nc.Close()
	}
}

func hammer(b *testing.B, c net.Conn, raw []byte, n int) []time.Duration {
	took := make([]time.Duration, 0, n)
	in := bufio.NewReader(c)
	for range n {
		begin := time.Now()
		if _, err := c.Write(raw); err != nil {
			b.Error(err)
			return took
		}
		status, err := in.ReadSlice('\n')
		if err != nil || !bytes.HasPrefix(status, []byte("HTTP/1.1 204")) {
			b.Errorf("answered %q, %v", status, err)
			return took
		}
		for len(status) > 2 { // to the blank line
			if status, err = in.ReadSlice('\n'); err != nil {
				b.Error(err)
				return took
			}
		}
		took = append(took, time.Since(begin))
	}
	return took
}
