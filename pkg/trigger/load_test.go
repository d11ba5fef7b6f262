package trigger_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/trigger"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// receiver records the ids and verdicts of the events sent to it.
type receiver struct {
	*httptest.Server
	secret   webhook.Secret
	mu       sync.Mutex
	ids      []string
	verdicts []webhook.Verdict
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{secret: webhook.GenerateSecret()}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		event, _ := webhook.ParseEvent(body)
		v := webhook.Verify(req.Header, body, r.secret)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ids, r.verdicts = append(r.ids, event.ID), append(r.verdicts, v.Verdict)
		if v.Verdict != webhook.Valid {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// load returns a load of n events for r, ordered by id.
func (r *receiver) load(t *testing.T, n int) trigger.Load {
	t.Helper()
	sender, err := trigger.NewSender(trigger.SenderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sender.Close)
	made := 0
	return trigger.Load{Sender: sender, URL: r.URL, Secret: r.secret, Count: n, Event: func() (webhook.Event, error) {
		made++
		return webhook.NewEvent(string(rune('a'+made-1)), webhook.DeviceDecommissioned, time.Now(), webhook.Decommission{ID: "d"})
	}}
}

func TestRunSendsEveryEvent(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*trigger.Load)
		sent   int
		sorted bool
		valid  bool
	}{
		"in order":   {func(*trigger.Load) {}, 20, true, true},
		"twice":      {func(l *trigger.Load) { l.Duplicate = true }, 40, true, true},
		"shuffled":   {func(l *trigger.Load) { l.Shuffle = true }, 20, false, true},
		"concurrent": {func(l *trigger.Load) { l.Concurrency = 4 }, 20, false, true},
		"tampered":   {func(l *trigger.Load) { l.Tamper = true }, 20, true, false},
		"unsigned":   {func(l *trigger.Load) { l.Secret = webhook.Secret{} }, 20, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t)
			l := r.load(t, 20)
			test.change(&l)
			sum, err := l.Run(t.Context())
			if err != nil || sum.Sent != test.sent || len(r.ids) != test.sent || (sum.Failed == 0) != test.valid || sum.Succeeded+sum.Failed != sum.Sent {
				t.Errorf("%+v, %v", sum, err)
			}
			if name == "shuffled" && slices.IsSorted(r.ids) || test.sorted && !slices.IsSorted(r.ids) {
				t.Errorf("order: %v", r.ids)
			}
			slices.Sort(r.ids)
			if n := len(slices.Compact(r.ids)); n != 20 {
				t.Errorf("%d different events", n)
			}
			if slices.Contains(r.verdicts, webhook.Valid) != test.valid {
				t.Errorf("verdicts %v", r.verdicts)
			}
		})
	}
}

func TestRunReportsAnEventThatCannotBeMade(t *testing.T) {
	r := newReceiver(t)
	l := r.load(t, 5)
	failed := errors.New("no more")
	next := l.Event
	l.Event = func() (webhook.Event, error) {
		if e, err := next(); e.ID < "c" {
			return e, err
		}
		return webhook.Event{}, failed
	}
	if sum, err := l.Run(t.Context()); !errors.Is(err, failed) || sum.Sent != 2 {
		t.Errorf("%+v, %v", sum, err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	r := newReceiver(t)
	ctx, cancel := context.WithCancel(t.Context())
	l := r.load(t, 1<<30)
	l.Concurrency = 2
	next := l.Event
	l.Event = func() (webhook.Event, error) {
		e, err := next()
		if e.ID == "k" {
			cancel()
		}
		return e, err
	}
	if sum, err := l.Run(ctx); err != nil || sum.Failed > 0 || sum.Sent > 20 {
		t.Errorf("%+v, %v", sum, err)
	}
}
