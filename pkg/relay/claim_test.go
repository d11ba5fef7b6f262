package relay

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestHandedOutAgain plays through what another listener may have done with an
// event that the cluster hands out again, since it did not hear of it.
func TestHandedOutAgain(t *testing.T) {
	for _, test := range []struct {
		name string
		// other is what the other listener did with the event.
		other func(t *tracker, msg jetstream.Msg, e Entry)
		want  int64 // how often it is forwarded
	}{
		{"delivered", func(t *tracker, _ jetstream.Msg, e Entry) {
			t.begin(e.Sequence, e.Stored)
			t.settle(e.Sequence, e.Stored)
		}, 0},
		{"another of the same number", func(t *tracker, _ jetstream.Msg, e Entry) {
			t.begin(e.Sequence, e.Stored.Add(-time.Hour))
			t.settle(e.Sequence, e.Stored.Add(-time.Hour))
		}, 1},
		{"under way, and then delivered", func(t *tracker, _ jetstream.Msg, e Entry) {
			t.begin(e.Sequence, e.Stored)
			time.AfterFunc(700*time.Millisecond, func() { t.settle(e.Sequence, e.Stored) })
		}, 0},
		{"under way, and then given back", func(t *tracker, _ jetstream.Msg, e Entry) {
			t.begin(e.Sequence, e.Stored)
			time.AfterFunc(700*time.Millisecond, func() { t.release(e.Sequence) })
		}, 1},
		{"failed", func(t *tracker, msg jetstream.Msg, e Entry) {
			t.begin(e.Sequence, e.Stored)
			t.fail(msg, e, errors.New("refused"), time.Now())
		}, 1},
		{"nothing", func(*tracker, jetstream.Msg, Entry) {}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			testHandedOutAgain(t, test.other, test.want)
		})
	}
}

func testHandedOutAgain(t *testing.T, other func(*tracker, jetstream.Msg, Entry), want int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	there, here := sharedQueues(t)
	if _, err := there.Publish(ctx, Event{ID: "x", Type: "device-provisioned", Body: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	msg, err := there.cons.Next(jetstream.FetchContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	meta, err := msg.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	e := newEntry(msg.Subject(), msg.Headers(), msg.Data(), meta.Sequence.Stream, meta.Timestamp)
	e.Attempts = 1
	lone := &Forwarder{q: there, name: "the other"}
	other(&lone.tracker, msg, e)
	if _, err := there.serveStatus(lone); err != nil {
		t.Fatal(err)
	}

	var taken atomic.Int64
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { taken.Add(1) }))
	defer app.Close()
	f, err := here.Forward(ForwardOptions{Target: targetAt(t, app.URL)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Stop(ctx) }()
	for {
		s, _, err := here.status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if s.Waiting == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if got := taken.Load(); got != want {
		t.Errorf("forwarded %d times, want %d", got, want)
	}
}

// sharedQueues are those of two listeners on one stream.
func sharedQueues(t *testing.T) (*Queue, *Queue) {
	t.Helper()
	s, err := Open(t.Context(), StoreOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	var queues [2]*Queue
	for i := range queues {
		nc, err := s.server.connect()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		o := QueueOptions{Prefix: "shared", MaxBytes: 1 << 20, AckWait: 400 * time.Millisecond}
		if queues[i], err = NewQueue(t.Context(), nc, o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(queues[i].Close)
	}
	return queues[0], queues[1]
}
