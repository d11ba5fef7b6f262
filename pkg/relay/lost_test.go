package relay_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// forwardedBoth returns a listener that has forwarded two events and recorded
// that.
func forwardedBoth(t *testing.T, url string, said *talk) (*relay.Cluster, *application) {
	t.Helper()
	app := newApplication(t, nil)
	c := mustDial(t, relay.DialOptions{URLs: []string{url}, Logf: said.logf})
	if _, err := c.Forward(quick(app.URL)); err != nil {
		t.Fatal(err)
	}
	publishTo(t, c, "a", "b")
	eventually(t, "the listener knows that both are settled", func() bool {
		s, err := c.Status(t.Context())
		known := c.Stats()
		return err == nil && s.Waiting == 0 && len(app.took()) == 2 && known.Bytes == s.Bytes && known.Waiting == 0
	})
	return c, app
}

func TestDeletedConsumerIsCreatedAgain(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	said := &talk{t: t}
	c, app := forwardedBoth(t, url, said)
	if err := streams(t, url).DeleteConsumer(t.Context(), "MENDER_EVENTS", "forward"); err != nil {
		t.Fatal(err)
	}
	publishTo(t, c, "c")
	eventually(t, "the third is forwarded", func() bool { return len(app.took()) == 3 })
	if diff := cmp.Diff([]string{"a", "b", "c"}, app.took()); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(said.String(), "forwarding continues after event 2") {
		t.Errorf("it said: %s", said)
	}
}

// A process that only looks does not create a consumer, since that would set where
// forwarding begins.
func TestLookingCreatesNoConsumer(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	c := mustDial(t, relay.DialOptions{URLs: []string{url}})
	js := streams(t, url)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteConsumer(t.Context(), "MENDER_EVENTS", "forward"); err != nil {
		t.Fatal(err)
	}
	looker := mustDial(t, relay.DialOptions{URLs: []string{url}, Attach: true})
	if _, err := looker.Status(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := js.Consumer(t.Context(), "MENDER_EVENTS", "forward"); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		t.Errorf("the consumer: %v", err)
	}
}

func TestDeletedStreamRefusesEvents(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"MENDER_EVENTS", "MENDER_DEAD"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := startServer(t, nil)
			said := &talk{t: t}
			c, app := forwardedBoth(t, url, said)
			js := streams(t, url)
			stream, err := js.Stream(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			config := stream.CachedInfo().Config
			if err := js.DeleteStream(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it is noticed", func() bool { return strings.Contains(said.String(), name+" was deleted") })
			for range 3 {
				if outcome, err := c.Publish(t.Context(), event("c")); outcome != relay.Unavailable || !errors.Is(err, relay.ErrUnavailable) {
					t.Errorf("%s, %v", outcome, err)
				}
			}
			if err := c.Ready(t.Context()); !errors.Is(err, relay.ErrUnavailable) || c.Stats().Available {
				t.Errorf("ready: %v, available: %t", err, c.Stats().Available)
			}
			if _, err := js.Stream(t.Context(), name); !errors.Is(err, jetstream.ErrStreamNotFound) {
				t.Errorf("the stream: %v", err)
			}
			if strings.Count(said.String(), "was deleted") != 1 {
				t.Errorf("it said: %s", said)
			}
			if _, err := js.CreateStream(t.Context(), config); err != nil {
				t.Fatal(err)
			}
			eventually(t, "events are accepted again", func() bool { return c.Ready(t.Context()) == nil && c.Stats().Available })
			publishTo(t, c, "c")
			eventually(t, "the third is forwarded", func() bool { return len(app.took()) == 3 })
		})
	}
}
