package relay_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// Text from a sender never becomes a name or an instruction in the stream.
func TestHostileEvents(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir()})
	app := newApplication(t, nil)
	header := event("x").Header
	hostile := header.Clone()
	for name, value := range map[string]string{
		"Nats-Rollup": "all", "Nats-Expected-Last-Sequence": "99", "Nats-Msg-Id": "x", "Nats-Ttl": "1s",
		"Mender-Relay-Id": "x", "Authorization": "Basic c2VjcmV0", "Cookie": "secret", "Connection": "X-Hop",
		"X-Hop": "1", "Content-Length": "7", "Transfer-Encoding": "chunked", "Proxy-Authorization": "secret",
	} {
		hostile.Set(name, value)
	}
	for n := range 2000 {
		hostile.Set(fmt.Sprintf("X-Filler-%d", n), "a value of some length")
	}
	var want []string
	for n, id := range []string{
		"mender.events.>", "a b", "", strings.Repeat("long", 10_000), "*", "\r\nNats-Rollup: all", "ünï", "sha256=00",
	} {
		e := event(id)
		e.Type, e.Header = "*.>\r\n"+fmt.Sprint(n), hostile
		outcome, err := s.Publish(t.Context(), e)
		if id == "" {
			if err == nil {
				t.Error("an event without id was stored")
			}
			continue
		}
		if outcome != relay.Stored {
			t.Errorf("%.20q: %s, %v", id, outcome, err)
		}
		if outcome, err := s.Publish(t.Context(), e); outcome != relay.Duplicate {
			t.Errorf("%.20q again: %s, %v", id, outcome, err)
		}
		want = append(want, id)
	}
	forward(t, s, quick(app.URL))
	eventually(t, "all are delivered", func() bool { return len(app.took()) == len(want) })
	if diff := cmp.Diff(want, app.took()); diff != "" {
		t.Error(diff)
	}
	for name := range header {
		if diff := cmp.Diff(header.Values(name), app.last.Header.Values(name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for name := range app.last.Header {
		if strings.HasPrefix(name, "Nats-") || strings.HasPrefix(name, "Mender-Relay-") || name == "Authorization" ||
			name == "Cookie" || name == "X-Hop" {
			t.Errorf("%s was forwarded", name)
		}
	}
}

func TestLargeEvents(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir()})
	app := newApplication(t, nil)
	forward(t, s, quick(app.URL))
	e := event("large")
	e.Body = append(e.Body, bytes.Repeat([]byte(" "), 1<<20-len(e.Body))...)
	if outcome, err := s.Publish(t.Context(), e); outcome != relay.Stored {
		t.Errorf("1 MiB: %s, %v", outcome, err)
	}
	eventually(t, "it is delivered", func() bool { return len(app.took()) == 1 })
	if !bytes.Equal(app.body, e.Body) {
		t.Error("other bytes were delivered")
	}
	e.ID = "larger"
	e.Body = make([]byte, 5<<20)
	if outcome, err := s.Publish(t.Context(), e); outcome != relay.Unavailable || !errors.Is(err, relay.ErrTooLarge) {
		t.Errorf("5 MiB: %s, %v", outcome, err)
	}
}

func TestForwardOptionsAreChecked(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir()})
	for _, o := range []relay.ForwardOptions{
		{}, {Target: to("http://h"), Concurrency: -1}, {Target: to("http://h"), MaxAttempts: -1}, {Target: to("http://h"), MaxAge: -1},
	} {
		if _, err := s.Forward(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	app := newApplication(t, nil)
	forward(t, s, quick(app.URL))
	if _, err := s.Forward(quick(app.URL)); err == nil {
		t.Error("a second forwarder was taken")
	}
}

// Errors contain neither the password nor the token in the application's URL.
func TestErrorsOmitURL(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir()})
	app := newApplication(t, nil)
	url := strings.Replace(app.URL, "http://", "http://user:pa55@", 1) + "/hook?token=t0ken"
	app.Close()
	told := make(chan relay.Step, 1)
	o := quick(url)
	o.Observe = func(step relay.Step) {
		select {
		case told <- step:
		default:
		}
	}
	f := forward(t, s, o)
	publish(t, s, "a")
	step := <-told
	if step.Err == nil || step.Status != 0 || step.Pause <= 0 || step.Attempt != 1 {
		t.Errorf("%+v", step)
	}
	status, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprint(step.Err, status.URL, status.Blocked)
	if strings.Contains(text, "pa55") || strings.Contains(text, "t0ken") {
		t.Error(text)
	}
	if err := f.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir()})
	other := newApplication(t, nil)
	app := newServer(t, http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	o := quick(app)
	o.MaxAttempts = 2
	forward(t, s, o)
	publish(t, s, "a")
	eventually(t, "it is dead", func() bool { return len(listed(t, s, relay.Dead)) == 1 })
	if len(other.took()) > 0 {
		t.Error("it was followed")
	}
}
