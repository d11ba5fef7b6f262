package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/ring"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
)

// A wait must not be ended by an fsync that began before it, and those who
// wait together share one.
func TestSyncerSharesAndNeverAnswersEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSyncer("")
		var mu sync.Mutex
		var began []time.Time
		fail := errors.New("the disk is gone")
		var next error
		s.sync = func() error {
			mu.Lock()
			began = append(began, time.Now())
			err := next
			mu.Unlock()
			time.Sleep(10 * time.Millisecond)
			return err
		}
		var waits sync.WaitGroup
		for i := range 100 {
			waits.Go(func() {
				time.Sleep(time.Duration(i) * 300 * time.Microsecond)
				start := time.Now()
				if err := s.wait(t.Context()); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				covered := false
				for _, b := range began {
					covered = covered || (!b.Before(start) && !b.Add(10*time.Millisecond).After(time.Now()))
				}
				if !covered {
					t.Error("answered before an fsync that covers it")
				}
			})
		}
		waits.Wait()
		if len(began) > 6 {
			t.Errorf("%d fsyncs for 100 events in 30 ms", len(began))
		}
		mu.Lock()
		next = fail
		mu.Unlock()
		if err := s.wait(t.Context()); !errors.Is(err, fail) || !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := s.wait(ctx); !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Second) // the last fsync ends by itself
	})
}

func TestTrackerForgetsTheOldest(t *testing.T) {
	var tr tracker
	stored := time.Now()
	for seq := range uint64(remembered + 10) {
		if got := tr.begin(seq, stored); got != fresh {
			t.Fatalf("%d: %v", seq, got)
		}
		if got := tr.begin(seq, stored); got != underWay {
			t.Fatalf("%d: %v", seq, got)
		}
		tr.settle(seq, stored)
		if got := tr.begin(seq, stored); got != settled {
			t.Fatalf("%d: %v", seq, got)
		}
	}
	if tr.begin(remembered, stored.Add(time.Second)) != fresh {
		t.Error("an event of the same place in a stream that was made anew is taken for the old one")
	}
	if tr.begin(5, stored) != fresh || tr.begin(15, stored) != settled {
		t.Error("the wrong events are remembered")
	}
}

func testEvent(id string) Event {
	return Event{ID: id, Type: "device-decommissioned", Body: []byte(id)}
}

func mustPublish(t *testing.T, q *Queue, id string, want Outcome) {
	t.Helper()
	if got, err := q.Publish(t.Context(), testEvent(id)); got != want {
		t.Errorf("%s: %s, %v", id, got, err)
	}
}

// What waits longer than the stream was to know ids is a duplicate also after
// the store was closed for long.
func TestIDsOutliveTheirWindow(t *testing.T) {
	o := StoreOptions{Dir: t.TempDir(), Logf: t.Logf}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	mustPublish(t, s.Queue, "a", Stored)
	info, err := s.events.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	config := info.Config
	config.Duplicates = 100 * time.Millisecond
	if _, err := s.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(config.Duplicates + 50*time.Millisecond) // the window has to pass
	if s, err = Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	mustPublish(t, s.Queue, "a", Duplicate)
	mustPublish(t, s.Queue, "b", Stored)
}

// The same queue behind a connection to a server of somebody else's.
func TestQueueOnAnotherServer(t *testing.T) {
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	defer srv.WaitForShutdown()
	defer srv.Shutdown()
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("not ready")
	}
	nc, err := nats.Connect(srv.ClientURL(), nats.ReconnectBufSize(-1))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	first, err := NewQueue(t.Context(), nc, QueueOptions{Prefix: "acme.mender", AckTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := NewQueue(t.Context(), nc, QueueOptions{Prefix: "acme.mender"})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	sub, err := nc.SubscribeSync("acme.mender.events.device-decommissioned")
	if err != nil {
		t.Fatal(err)
	}
	mustPublish(t, first, "a", Stored)
	mustPublish(t, second, "a", Duplicate)
	m, err := sub.NextMsg(5 * time.Second)
	if err != nil || string(m.Data) != "a" || m.Header.Get("Nats-Msg-Id") != "a" {
		t.Errorf("%+v, %v", m, err)
	}
	if s, err := second.Status(t.Context()); err != nil || s.Waiting != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	srv.Shutdown()
	start := time.Now()
	mustPublish(t, first, "b", Unavailable)
	if took := time.Since(start); took > 1500*time.Millisecond {
		t.Errorf("took %s to refuse", took)
	}
}

func TestSafeTokens(t *testing.T) {
	for in, want := range map[string]string{
		"6f1b2c3d-0000-4000-8000-000000000000": "6f1b2c3d-0000-4000-8000-000000000000",
		"a.b":                                  hashedPrefix, "a b": hashedPrefix, "*": hashedPrefix, ">": hashedPrefix,
		"ü": hashedPrefix, "": hashedPrefix, "a\n": hashedPrefix, fmt.Sprintf("%0129d", 1): hashedPrefix,
		fmt.Sprintf("%0128d", 1): fmt.Sprintf("%0128d", 1),
	} {
		got := key(in)
		if want == hashedPrefix {
			if len(got) != len(hashedPrefix)+64 || got[:len(hashedPrefix)] != hashedPrefix {
				t.Errorf("%q: %s", in, got)
			}
		} else if got != want {
			t.Errorf("%q: %s", in, got)
		}
	}
}

// A full disk may also cost the consumer its state: the server that starts
// anew goes on where the cursor says.
func TestConsumerIsMadeAnewWithTheServer(t *testing.T) {
	got := make(chan string, 100)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
	}))
	defer app.Close()
	s, err := Open(t.Context(), StoreOptions{Dir: t.TempDir(), Logf: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	f, err := s.Forward(ForwardOptions{Target: targetAt(t, app.URL)})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		mustPublish(t, s.Queue, id, Stored)
		if id != <-got {
			t.Error("not in order")
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		if known, _ := readJSON[cursor](s.o.Dir, cursorFile); known.Floor == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the cursor was not written")
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.broken.Store(true)
	s.server.stop()
	state := filepath.Join(filepath.Dir(s.blocks(DefaultPrefix, "EVENTS")), "obs", consumerName, "o.dat")
	if err := os.WriteFile(state, []byte("not a state"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.tracker.mu.Lock()
	f.tracker.recent = ring.New[uint64, time.Time](remembered) // as if it were too long ago
	f.tracker.mu.Unlock()
	s.mend <- struct{}{}
	for {
		outcome, err := s.Publish(t.Context(), testEvent("c"))
		if outcome == Stored {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server did not start anew: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	select {
	case id := <-got:
		if id != "c" {
			t.Errorf("%s came again", id)
		}
	case <-time.After(10 * time.Second):
		t.Error("nothing came any more")
	}
}

func targetAt(t *testing.T, text string) target.Target {
	t.Helper()
	u, err := httptarget.ParseURL(text)
	if err != nil {
		t.Fatal(err)
	}
	app, err := httptarget.New(httptarget.Options{URL: u})
	if err != nil {
		t.Fatal(err)
	}
	return app
}
