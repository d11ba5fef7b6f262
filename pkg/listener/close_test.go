package listener

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// stuck is a target that never answers and never closes.
type stuck struct{ release chan struct{} }

func (s stuck) Deliver(context.Context, target.Event) target.Result {
	<-s.release
	return target.Result{}
}

func (s stuck) String() string { return "http://stuck" }

func (s stuck) Close() error {
	<-s.release
	return nil
}

// Serve ends even if the target never does.
func TestServeEndsWithTheGracePeriod(t *testing.T) {
	s := stuck{release: make(chan struct{})}
	defer close(s.release)
	o := Options{Endpoints: []Endpoint{{Receiver: receiver.Options{AllowUnchecked: true}, Targets: []Target{{Target: s}}}}, Info: t.Logf, Warn: t.Logf}
	o.Server.Grace = 10 * time.Millisecond
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	events := l.Hub().Subscribe(SubscribeOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- l.Serve(ctx, func() (Ports, error) { return Ports{Events: []net.Listener{listen(t)}}, nil })
	}()
	cancel()
	select {
	case err := <-served:
		if err == nil || !strings.Contains(err.Error(), "did not close in time") {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end")
	}
	for range events.Events(t.Context()) { // this loop ends because the hub is closed
		t.Error("there was no event")
	}
}
