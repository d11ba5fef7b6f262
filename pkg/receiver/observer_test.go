package receiver_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func TestAnswersDoNotWaitForObserve(t *testing.T) {
	release := make(chan struct{})
	var shown atomic.Int64
	r := start(t, receiver.Options{ObserveQueue: 10, Observe: func(receiver.Record) {
		<-release
		shown.Add(1)
	}}, receiver.ServerOptions{})
	const sent = 100
	for range sent {
		if resp, _ := r.do(r.post(event, webhook.Secret{})); resp.StatusCode != 204 {
			t.Fatalf("answered %d", resp.StatusCode)
		}
	}
	// One is with Observe, ten wait.
	if d := r.rc.Dropped(); d < sent-11 || d > sent-10 {
		t.Errorf("%d dropped", d)
	}
	close(release)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := r.rc.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if uint64(shown.Load())+r.rc.Dropped() != sent {
		t.Errorf("%d shown and %d dropped of %d", shown.Load(), r.rc.Dropped(), sent)
	}
}

func TestCloseGivesUpOnAnObserveThatHangs(t *testing.T) {
	release := make(chan struct{})
	r := start(t, receiver.Options{Observe: func(receiver.Record) { <-release }}, receiver.ServerOptions{})
	for range 5 {
		r.do(r.post(event, webhook.Secret{}))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := r.rc.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close returned %v", err)
	}
	close(release)
	eventually(t, "four records are counted as dropped", func() bool { return r.rc.Dropped() == 4 })
}

// What waits for Observe is bounded in bytes too, not only in number.
func TestObserveQueueIsBoundedInBytes(t *testing.T) {
	release := make(chan struct{})
	r := start(t, receiver.Options{ObserveQueue: 1000, Observe: func(receiver.Record) { <-release }}, receiver.ServerOptions{})
	defer close(release)
	body := `{"id":"e","type":"t","data":"` + string(make1(1<<20-100)) + `"}`
	for range 40 {
		r.do(r.post(body, webhook.Secret{}))
	}
	if d := r.rc.Dropped(); d < 7 || d > 10 { // 32 MiB wait
		t.Errorf("%d of 40 dropped", d)
	}
}

func make1(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'x'
	}
	return b
}
