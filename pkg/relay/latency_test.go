package relay_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// heldUp connects once. Then it reports each attempt to connect, and delays it.
type heldUp struct {
	first    chan net.Conn
	attempts chan struct{}
	release  chan struct{}
}

func (d *heldUp) Dial(network, address string) (net.Conn, error) {
	select {
	case <-d.first:
		conn, err := net.Dial(network, address)
		d.first <- conn
		return conn, err
	default:
	}
	d.attempts <- struct{}{}
	<-d.release
	return net.Dial(network, address)
}

// TestAnswerInTime publishes while nats.go reconnects to a slow server, which
// blocks all publishes.
func TestAnswerInTime(t *testing.T) {
	d := &heldUp{first: make(chan net.Conn, 1), attempts: make(chan struct{}), release: make(chan struct{})}
	d.first <- nil
	nc, err := nats.Connect(startServer(t, nil), nats.SetCustomDialer(d), nats.MaxReconnects(-1),
		nats.ReconnectWait(time.Millisecond), nats.ReconnectBufSize(-1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	q, err := relay.NewQueue(t.Context(), nc, relay.QueueOptions{MaxBytes: 16 << 20, AckTimeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	if outcome, err := q.Publish(t.Context(), event("before")); err != nil {
		t.Fatalf("%s, %v", outcome, err)
	}
	_ = (<-d.first).Close() // the connection is lost
	<-d.attempts
	t.Cleanup(func() { close(d.release) })

	start := time.Now()
	outcome, err := q.Publish(t.Context(), event("a"))
	if outcome != relay.Unavailable || !errors.Is(err, relay.ErrUnavailable) {
		t.Errorf("%s, %v", outcome, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := q.Ready(ctx); !errors.Is(err, relay.ErrUnavailable) {
		t.Errorf("ready: %v", err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("the answers took %s", took)
	}
}
