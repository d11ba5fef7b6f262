package relay

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// taking is a target that accepts every event.
type taking struct{}

func (taking) Deliver(context.Context, target.Event) target.Result { return target.Result{Status: 204} }
func (taking) String() string                                      { return "taking" }
func (taking) Close() error                                        { return nil }

func mustOpen(t *testing.T, o StoreOptions) *Store {
	t.Helper()
	o.Logf = t.Logf
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, s) })
	return s
}

func mustClose(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// look does what `queue`, `queue list` and `queue show` do.
func look(t *testing.T, dir string) {
	t.Helper()
	s, err := Attach(t.Context(), dir, t.Logf)
	if err != nil {
		t.Error(err)
		return
	}
	defer mustClose(t, s)
	if _, err := s.Status(t.Context()); err != nil {
		t.Error(err)
	}
	for _, state := range []State{Waiting, Dead} {
		for _, err := range s.List(t.Context(), state) {
			if err != nil {
				t.Error(err)
			}
			break
		}
	}
	if _, err := s.Show(t.Context(), "first"); err != nil {
		t.Error(err)
	}
}

func TestLookingAtARunningStoreChangesNothing(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, StoreOptions{Dir: dir})
	mustPublish(t, s.Queue, "first", Stored)
	f, err := s.Forward(ForwardOptions{Target: taking{}, Concurrency: 8})
	if err != nil {
		t.Fatal(err)
	}
	before, err := s.routes()[0].info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var load sync.WaitGroup
	for w := range 8 {
		load.Go(func() {
			for n := range 2000 {
				select {
				case <-done:
					return
				default:
					mustPublish(t, s.Queue, fmt.Sprintf("w%d-n%d", w, n), Stored)
				}
			}
		})
	}
	for range 10 {
		look(t, dir)
	}
	close(done)
	load.Wait()
	after, err := s.routes()[0].info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !after.Created.Equal(before.Created) || after.Config.MaxAckPending != ackPending(8) {
		t.Errorf("the consumer of %s, with %d in flight, became one of %s, with %d",
			before.Created, before.Config.MaxAckPending, after.Created, after.Config.MaxAckPending)
	}
	if err := f.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// state returns everything about a store that looking at it must not change.
func state(t *testing.T, dir string) map[string]any {
	t.Helper()
	s := mustOpen(t, StoreOptions{Dir: dir})
	defer mustClose(t, s)
	events, err := s.events.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cons, err := s.routes()[0].info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{
		"events": events.State.Msgs, "last": events.State.LastSeq, "first": events.State.FirstSeq,
		"settled": cons.AckFloor.Stream, "delivered": cons.Delivered.Stream, "consumer": cons.Created.String(),
	}
}

func TestLookingAtAStoppedStoreChangesNothing(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, StoreOptions{Dir: dir})
	mustPublish(t, s.Queue, "first", Stored)
	mustPublish(t, s.Queue, "second", Stored)
	s.Queue.Close() // the upkeep would shorten the window again
	config := s.events.CachedInfo().Config
	config.Duplicates = 100 * time.Hour // as if events were that old
	if _, err := s.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	record, err := os.ReadFile(filepath.Join(dir, recordFile))
	if err != nil {
		t.Fatal(err)
	}
	look(t, dir)
	look(t, dir)
	again, err := os.ReadFile(filepath.Join(dir, recordFile))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(record), string(again)); diff != "" {
		t.Error(diff)
	}
	s, err = Attach(t.Context(), dir, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.events.CachedInfo().Config.Duplicates; got != config.Duplicates {
		t.Errorf("ids were to be known for %s, and are for %s", config.Duplicates, got)
	}
	mustClose(t, s)
	before := state(t, dir)
	look(t, dir)
	if diff := cmp.Diff(before, state(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// Opening a large store takes longer than a listener may take to answer.
func TestAStoppedStoreMayTakeLongToOpen(t *testing.T) {
	dir := t.TempDir()
	mustClose(t, mustOpen(t, StoreOptions{Dir: dir}))
	limit := attachTimeout
	attachTimeout = time.Nanosecond
	defer func() { attachTimeout = limit }()
	s, err := Attach(t.Context(), dir, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
}

func TestAListenerWaitsForAProcessThatIsStartingToLook(t *testing.T) {
	dir := t.TempDir()
	// It has the lock, but has not announced its server yet. The announcement is
	// that of a killed listener.
	mustClose(t, mustOpen(t, StoreOptions{Dir: dir}))
	if err := writeJSON(dir, contactFile, contact{URL: "nats://127.0.0.1:1", PID: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	held := flock.New(filepath.Join(dir, lockFile))
	if ok, err := held.TryLock(); !ok {
		t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() {
		s, err := Open(context.Background(), StoreOptions{Dir: dir, Logf: t.Logf})
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Errorf("it did not wait: %v", err)
	case <-time.After(5 * lockPause):
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
}
