package listener

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// gated is a target that accepts each event once its gate is open.
type gated struct {
	gate    chan struct{}
	busy    atomic.Int64
	most    atomic.Int64
	mu      sync.Mutex
	arrived []string
}

func (g *gated) Deliver(ctx context.Context, e target.Event) target.Result {
	n := g.busy.Add(1)
	defer g.busy.Add(-1)
	for most := g.most.Load(); n > most && !g.most.CompareAndSwap(most, n); most = g.most.Load() {
	}
	select {
	case <-g.gate:
	case <-ctx.Done():
		return target.Result{Err: ctx.Err()}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.arrived = append(g.arrived, e.ID)
	return target.Result{}
}

func (g *gated) String() string { return "gated" }
func (g *gated) Close() error   { return nil }

// Events are answered before they are forwarded. When too many wait, they are refused;
// those that were answered are forwarded, even after the stop, N at a time.
func TestAnswerFirst(t *testing.T) {
	g := &gated{gate: make(chan struct{})}
	l, err := Open(t.Context(), Options{Endpoints: []Endpoint{{
		Receiver: receiver.Options{AllowUnchecked: true}, AnswerFirst: true,
		Targets: []Target{{Target: g, Forward: relay.ForwardOptions{Concurrency: 2}}},
	}}, Info: t.Logf, Warn: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served, port := make(chan error, 1), listen(t)
	go func() {
		served <- l.Serve(ctx, func() (Ports, error) { return Ports{Events: []net.Listener{port}}, nil })
	}()
	accepted, refused := 0, 0
	for n := range backlog + 10 {
		body := fmt.Sprintf(`{"id":"e-%d","type":"t"}`, n)
		resp, err := http.Post("http://"+port.Addr().String(), "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusNoContent:
			accepted++
		case http.StatusServiceUnavailable:
			refused++
		default:
			t.Fatalf("answered %s", resp.Status)
		}
	}
	// Two may have been taken from the backlog.
	if accepted < backlog || accepted > backlog+2 || refused == 0 {
		t.Errorf("accepted %d, refused %d", accepted, refused)
	}
	cancel()
	close(g.gate)
	if err := <-served; err != nil {
		t.Error(err)
	}
	if len(g.arrived) != accepted {
		t.Errorf("forwarded %d of %d events", len(g.arrived), accepted)
	}
	if most := g.most.Load(); most != 2 {
		t.Errorf("%d at once", most)
	}
}
