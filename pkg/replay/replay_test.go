package replay_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/replay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// scripted is a target with one result after the other. The last one repeats.
type scripted struct {
	results []target.Result
	sent    []string
}

func (s *scripted) Deliver(_ context.Context, e target.Event) target.Result {
	s.sent = append(s.sent, e.ID)
	r := s.results[0]
	if len(s.results) > 1 {
		s.results = s.results[1:]
	}
	return r
}
func (s *scripted) String() string { return "scripted" }
func (s *scripted) Close() error   { return nil }

func failed(status int) target.Result {
	return target.Result{Status: status, Err: errors.New("failed"), Duplicate: status == http.StatusConflict}
}

func TestAnEventFromTheLogIsSignedAndMarked(t *testing.T) {
	secret, err := webhook.ParseSecret("deadbeef")
	if err != nil {
		t.Fatal(err)
	}
	e := mender.Event{Event: webhook.Event{ID: "e-1", Type: webhook.DeviceDecommissioned, Data: []byte(`{"id":"d"}`), Time: time.Unix(0, 0).UTC()}}
	got, err := replay.FromLog(e, secret)
	if err != nil {
		t.Fatal(err)
	}
	if v := webhook.Verify(got.Header, got.Body, secret); v.Verdict != webhook.Valid || got.ID != "e-1" || got.Type != "device-decommissioned" {
		t.Errorf("%s %+v", v, got)
	}
	if got.Header.Get(target.HeaderRebuilt) != replay.RebuiltFromLog || target.EndToEnd(got.Header).Get(target.HeaderRebuilt) == "" {
		t.Errorf("not marked: %v", got.Header)
	}
	if back, err := webhook.ParseEvent(got.Body); err != nil || back.ID != "e-1" {
		t.Errorf("%v, %v", back, err)
	}
}

func TestSendKeepsTheOrderAndCountsKnownEventsAsDelivered(t *testing.T) {
	s := &scripted{results: []target.Result{{Status: 200}, failed(409), failed(500), {Status: 200}}}
	events := []target.Event{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "d"}}
	var ok []bool
	err := replay.Send(t.Context(), s, events, func(_ target.Event, r target.Result) error {
		ok = append(ok, r.Err == nil)
		return nil
	})
	if err != nil || !slices.Equal(s.sent, []string{"a", "b", "c", "d"}) || !slices.Equal(ok, []bool{true, true, false, true}) {
		t.Errorf("%v, %v, %v", s.sent, ok, err)
	}
}

// An interrupted attempt is not a failure of the receiver.
func TestSendStopsWhenItIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &scripted{results: []target.Result{failed(0)}}
	cancel()
	err := replay.Send(ctx, s, []target.Event{{ID: "a"}}, func(target.Event, target.Result) error {
		t.Error("a result was reported")
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestPatientWaitsForAnApplicationThatIsAway(t *testing.T) {
	for name, test := range map[string]struct {
		results []target.Result
		want    []string
		sent    int
		took    time.Duration
	}{
		"taken":            {[]target.Result{{Status: 204}}, nil, 1, 0},
		"known":            {[]target.Result{failed(409)}, nil, 1, 0},
		"refused":          {[]target.Result{failed(400)}, []string{"refused 400"}, 1, 0},
		"never":            {[]target.Result{{Err: errors.New("no"), Permanent: true}}, []string{"refused 0"}, 1, 0},
		"failing":          {[]target.Result{failed(500)}, []string{"refused 500"}, 3, 1500 * time.Millisecond},
		"failing at first": {[]target.Result{failed(503), failed(429), {Status: 200}}, nil, 3, 1500 * time.Millisecond},
		"away":             {[]target.Result{failed(0), failed(0), failed(0), failed(0), failed(0), failed(0), failed(0), {Status: 200}}, []string{"away", "back"}, 8, 35500 * time.Millisecond},
		"asks for a pause": {[]target.Result{{Status: 429, Err: errors.New("later"), RetryAfter: time.Hour}, {Status: 200}}, nil, 2, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{results: test.results}
				var got []string
				p := replay.Patient{
					Target:  s,
					Refused: func(_ target.Event, r target.Result) { got = append(got, fmt.Sprint("refused ", r.Status)) },
					Away:    func(target.Event, target.Result) { got = append(got, "away") },
					Back:    func() { got = append(got, "back") },
				}
				start := time.Now()
				if err := p.Deliver(t.Context(), target.Event{ID: "a"}); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, got); diff != "" || len(s.sent) != test.sent || time.Since(start) != test.took {
					t.Errorf("sent %d times in %s: %s", len(s.sent), time.Since(start), diff)
				}
			})
		})
	}
}

func TestPatientEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		p := replay.Patient{Target: &scripted{results: []target.Result{failed(0)}}, Away: func(target.Event, target.Result) {}}
		if err := p.Deliver(ctx, target.Event{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
