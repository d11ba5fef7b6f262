package relay_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// large returns an event of about 10 KiB.
func large(id string) relay.Event {
	e := event(id)
	e.Body = fmt.Appendf(nil, `{"id":%s,"type":"device-provisioned","data":%q}`, quoted(id), strings.Repeat("x", 10<<10))
	return e
}

func TestOnlyWaitingEventsFillTheQueue(t *testing.T) {
	for _, concurrency := range []int{1, 4} {
		t.Run(fmt.Sprintf("concurrency %d", concurrency), func(t *testing.T) {
			s := openStore(t, relay.StoreOptions{Dir: t.TempDir(), MaxBytes: 1 << 20})
			app := newApplication(t, func(id string, _ int) int {
				if id == "stuck" {
					return http.StatusServiceUnavailable
				}
				return http.StatusOK
			})
			o := quick(app.URL)
			o.Concurrency = concurrency
			f := forward(t, s, o)
			if concurrency > 1 {
				// All others are delivered past it.
				publish(t, s, "stuck")
			}
			// Four times as many events pass as fit.
			var sent []string
			for n := range 400 {
				id := fmt.Sprint("e", n)
				if outcome, err := s.Publish(t.Context(), large(id)); outcome != relay.Stored {
					t.Fatalf("%s: %s, %v", id, outcome, err)
				}
				sent = append(sent, id)
				if n%50 == 49 {
					eventually(t, "they are delivered", func() bool { return len(app.took()) == len(sent) })
				}
			}
			if outcome, err := s.Publish(t.Context(), large(sent[len(sent)-1])); outcome != relay.Duplicate {
				t.Errorf("%s, %v", outcome, err)
			}
			if err := f.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			// The application no longer accepts events: the store fills up and
			// reports it.
			before := slices.Clone(app.took())
			var waiting []string
			for n := 0; ; n++ {
				id := fmt.Sprint("w", n)
				outcome, err := s.Publish(t.Context(), large(id))
				if outcome == relay.Full {
					if !errors.Is(err, relay.ErrFull) {
						t.Errorf("got %v", err)
					}
					break
				}
				if outcome != relay.Stored || n > 200 {
					t.Fatalf("%s: %s, %v", id, outcome, err)
				}
				waiting = append(waiting, id)
			}
			if len(waiting) < 90 && concurrency == 1 {
				t.Errorf("only %d fit", len(waiting))
			}
			forward(t, s, o)
			eventually(t, "what waited is delivered", func() bool { return len(app.took()) == len(before)+len(waiting) })
			got := app.took()[len(before):]
			if concurrency > 1 {
				slices.SortFunc(got, func(a, b string) int { return slices.Index(waiting, a) - slices.Index(waiting, b) })
			}
			if diff := cmp.Diff(waiting, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDeliveredEventsAreForgottenAfterKeep(t *testing.T) {
	dir := t.TempDir()
	o := relay.StoreOptions{Dir: dir, Keep: 200 * time.Millisecond}
	s := openStore(t, o)
	app := newApplication(t, nil)
	f := forward(t, s, quick(app.URL))
	publish(t, s, "a", "b")
	eventually(t, "both are delivered", func() bool { return len(app.took()) == 2 })
	if err := f.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	publish(t, s, "c")
	closeStore(t, s)
	time.Sleep(o.Keep) // let it pass
	s = openStore(t, o)
	eventually(t, "they are forgotten", func() bool { return len(listed(t, s, relay.Delivered)) == 0 })
	if diff := cmp.Diff([]string{"c"}, listed(t, s, relay.Waiting)); diff != "" {
		t.Error(diff)
	}
}

// TestDeliveredEventsMakeRoomBesideOneThatFails checks that events delivered past
// one that keeps failing do not fill the store, even after a restart.
func TestDeliveredEventsMakeRoomBesideOneThatFails(t *testing.T) {
	dir := t.TempDir()
	app := newApplication(t, func(id string, _ int) int {
		if strings.HasPrefix(id, "stuck") {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	o := quick(app.URL)
	o.Concurrency = 8
	sent := 0
	for round := range 3 {
		s := openStore(t, relay.StoreOptions{Dir: dir, MaxBytes: 128 << 10})
		f := forward(t, s, o)
		publish(t, s, fmt.Sprint("stuck", round))
		for range 60 {
			sent++
			// After a restart there is room once the forwarder has the failed event.
			eventually(t, "it is stored", func() bool {
				outcome, _ := s.Publish(t.Context(), large(fmt.Sprint("e", sent)))
				return outcome == relay.Stored
			})
			eventually(t, "it is delivered", func() bool { return len(app.took()) == sent })
		}
		if err := f.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)
	}
}
