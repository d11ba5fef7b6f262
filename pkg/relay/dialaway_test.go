package relay_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// TestNoRoomForBothStreams leaves nothing behind on a cluster that has room for
// one of the two streams.
func TestNoRoomForBothStreams(t *testing.T) {
	url := startServer(t, func(o *server.Options) { o.JetStreamMaxStore = 24 << 20 })
	if _, err := dial(t, relay.DialOptions{URLs: []string{url}, MaxBytes: 16 << 20}); !errors.Is(err, relay.ErrNoRoom) {
		t.Errorf("got %v", err)
	}
	for name := range streams(t, url).StreamNames(t.Context()).Name() {
		t.Errorf("it left %s behind", name)
	}
	publishTo(t, mustDial(t, relay.DialOptions{URLs: []string{url}, MaxBytes: 8 << 20}), "a")
	// A stream that existed before stays.
	if err := streams(t, url).DeleteStream(t.Context(), "MENDER_DEAD"); err != nil {
		t.Fatal(err)
	}
	if _, err := dial(t, relay.DialOptions{URLs: []string{url}, MaxBytes: 20 << 20}); !errors.Is(err, relay.ErrNoRoom) {
		t.Errorf("got %v", err)
	}
	if _, err := streams(t, url).Stream(t.Context(), "MENDER_EVENTS"); err != nil {
		t.Error(err)
	}
}

// TestDialEnds dials a server that does not answer. Dial must return as soon as
// its context ends.
func TestDialEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = relay.Dial(ctx, relay.DialOptions{URLs: []string{"nats://" + l.Addr().String()}})
	if took := time.Since(start); !errors.Is(err, relay.ErrUnavailable) || took > time.Second {
		t.Errorf("after %s: %v", took, err)
	}
}

// TestDialWaits dials before the server has started.
func TestDialWaits(t *testing.T) {
	port := freePorts(t, 1)[0]
	failed := make(chan error, 100)
	dialled := make(chan *relay.Cluster, 1)
	go func() {
		c, err := relay.Dial(t.Context(), relay.DialOptions{
			URLs: []string{fmt.Sprintf("nats://127.0.0.1:%d", port)}, MaxBytes: 16 << 20, Logf: quietLog(t),
			Failed: func(err error) { failed <- err },
		})
		if err != nil {
			t.Error(err)
		}
		dialled <- c
	}()
	for range 2 {
		if err := <-failed; !errors.Is(err, relay.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}
	startServer(t, func(o *server.Options) { o.Port = port })
	c := <-dialled
	defer func() { _ = c.Close() }()
	publishTo(t, c, "a")
}
