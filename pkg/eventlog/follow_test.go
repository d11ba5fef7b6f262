package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

var (
	followSeeds = flag.Int("follow.seeds", 2, "how many random seeds TestFollowHostile tries")
	followMany  = flag.Int("follow.many", 40_000, "how many events TestFollowMemory goes through")
	followSeed  = flag.Uint64("follow.seed", 0, "the one seed that TestFollowHostile tries again")
)

// followed records the events that a reader of a Follower received.
type followed struct {
	t     *testing.T
	times map[string]int
	last  mender.Event
	at    time.Time // when the last one was received
	order []string
}

func newFollowed(t *testing.T) *followed { return &followed{t: t, times: map[string]int{}} }

// take records an event. Events of the same moment come from one look and must be
// in order.
func (g *followed) take(e mender.Event) {
	now := time.Now()
	if g.times[e.ID]++; g.times[e.ID] > 1 {
		g.t.Errorf("%s was returned %d times", e.ID, g.times[e.ID])
	}
	if now.Equal(g.at) && e.Time.Before(g.last.Time) {
		g.t.Errorf("%s of %v was returned after %v", e.ID, e.Time, g.last.Time)
	}
	g.last, g.at = e, now
	g.order = append(g.order, e.ID)
}

// follow reads until ctx ends, and checks that nothing else ended it, unless
// the server is down from the start.
func (g *followed) follow(ctx context.Context, f *Follower) {
	for e, err := range f.Events(ctx) {
		if err != nil {
			if ctx.Err() == nil && (!errors.Is(err, mender.ErrUnreachable) || f.contact.ever) {
				g.t.Errorf("it ended: %v", err)
			}
			return
		}
		g.take(e)
	}
}

func (g *followed) missed(plan []planned) {
	lost := 0
	for _, e := range plan {
		if g.times[e.id] == 0 {
			if lost++; lost < 5 {
				g.t.Errorf("%s of %v, in view at %v, was lost", e.id, e.at, e.seen)
			}
		}
	}
	if lost > 0 {
		g.t.Errorf("%d of %d events were lost", lost, len(plan))
	}
}

func mustFollow(t *testing.T, c *Log, o FollowOptions) *Follower {
	t.Helper()
	f, err := c.Follow(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFollowHostile is the most important test: whatever the server does, each of
// 10,000 events is returned once, even if the follower restarts.
func TestFollowHostile(t *testing.T) {
	seeds := []uint64{}
	for range *followSeeds {
		seeds = append(seeds, rand.Uint64())
	}
	if *followSeed != 0 {
		seeds = []uint64{*followSeed}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { followHostile(t, seed) })
		})
	}
}

func followHostile(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 2))
	mean := []time.Duration{20, 100, 400}[rnd.IntN(3)] * time.Millisecond
	start := time.Now()
	h := newHostile(seed, 10_000, mean)
	plan, end := h.plan, h.end()
	h.failures, h.delay = 0.2, 300*time.Millisecond
	h.restarts(5)
	if e := h.end(); e.After(end) {
		end = e
	}
	if rnd.IntN(2) == 0 {
		h.keep = 10 * time.Minute
	}
	h.clock = time.Duration(rnd.IntN(3)-1) * time.Hour
	most := []int{mostHeld, 1000, 500}[rnd.IntN(3)]                                                   // more than usually arrive during one look
	now := func() time.Time { return time.Now().Add(time.Duration(rand.IntN(1000)-500) * time.Hour) } // this machine's clock changes all the time
	c := h.client(now)

	end = end.Add(time.Minute + 2*5*time.Minute)
	got, state := newFollowed(t), (*FollowState)(nil)
	for time.Now().Before(end) { // runs of the follower, one after the other
		run := time.Duration(rnd.Int64N(int64(20 * time.Minute)))
		if time.Now().Add(run + time.Minute).After(end) {
			run = time.Until(end) + time.Minute
		}
		ctx, cancel := context.WithTimeout(t.Context(), run)
		f := mustFollow(t, c, FollowOptions{
			Query: Query{Since: start}, Resume: state,
			Checkpoint: func(s FollowState) error { state = throughJSON(t, s); return nil },
		})
		f.most = most
		got.follow(ctx, f)
		cancel()
		time.Sleep(time.Duration(rnd.Int64N(int64(time.Minute))))
	}
	got.missed(plan)
}

// throughJSON returns a state as it is after being saved to a file and loaded.
func throughJSON(t *testing.T, s FollowState) *FollowState {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back FollowState
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	return &back
}

func TestFollowIsPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHostile(7, 2000, 100*time.Millisecond)
		plan := map[string]planned{}
		for _, e := range h.plan {
			plan[e.id] = e
		}
		ctx, cancel := context.WithDeadline(t.Context(), h.end().Add(5*time.Second))
		defer cancel()
		n := 0
		for e, err := range mustFollow(t, h.client(nil), FollowOptions{}).Events(ctx) {
			if err != nil {
				break
			}
			n++
			if late := time.Since(plan[e.ID].seen); late > DefaultInterval {
				t.Errorf("%s was returned %s after it arrived", e.ID, late)
			}
		}
		if n < 1990 { // the first events existed before the start
			t.Errorf("%d events", n)
		}
	})
}

func TestFollowBegins(t *testing.T) {
	for name, test := range map[string]struct {
		options func(h *hostile) FollowOptions
		first   int
	}{
		"with new ones": {func(*hostile) FollowOptions { return FollowOptions{} }, 0},
		"with the last": {func(*hostile) FollowOptions { return FollowOptions{Query: Query{Limit: 7}} }, 7},
		"with many":     {func(*hostile) FollowOptions { return FollowOptions{Query: Query{Limit: 1200}} }, 1200},
		"with all":      {func(*hostile) FollowOptions { return FollowOptions{Query: Query{Since: time.Unix(0, 0)}} }, 3000},
		"since":         {func(h *hostile) FollowOptions { return FollowOptions{Query: Query{Since: h.log[99].at}} }, 100},
		"with the last of a kind": {func(*hostile) FollowOptions {
			return FollowOptions{Query: Query{Limit: 5, Types: []webhook.EventType{webhook.DeviceDecommissioned}}}
		}, 5},
		"of another integration":   {func(*hostile) FollowOptions { return FollowOptions{Query: Query{Limit: 5, IntegrationID: theirs}} }, 0},
		"of one integration alone": {func(*hostile) FollowOptions { return FollowOptions{Query: Query{Limit: 5, IntegrationID: ours}} }, 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHostile(3, 3000, 50*time.Millisecond)
				time.Sleep(time.Until(h.end()))
				h.move(time.Now())
				o := test.options(h)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				got := newFollowed(t)
				got.follow(ctx, mustFollow(t, h.client(nil), o))
				want := min(test.first, len(h.log))
				if name == "since" {
					for want < len(h.log) && h.log[want].at.Equal(h.log[99].at) {
						want++
					}
				}
				if len(got.order) != want {
					t.Errorf("%d events at first, want %d", len(got.order), want)
				}
			})
		})
	}
}

// TestFollowRereadsPageEdges swaps events of the same millisecond across a page
// boundary, far from the part of the log that each look reads.
func TestFollowRereadsPageEdges(t *testing.T) {
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			h := newHostile(seed, 4000, 500*time.Millisecond)
			plan := h.plan
			time.Sleep(time.Until(h.end()))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			got := newFollowed(t)
			got.follow(ctx, mustFollow(t, h.client(nil), FollowOptions{Query: Query{Since: start}}))
			got.missed(plan)
		})
	}
}

func TestFollowServerClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		h := newHostile(17, 1500, time.Second)
		h.setBack(start.Add(10*time.Minute), 5*time.Minute)
		plan := h.plan
		ctx, cancel := context.WithDeadline(t.Context(), h.end().Add(10*time.Second))
		defer cancel()
		got := newFollowed(t)
		got.follow(ctx, mustFollow(t, h.client(nil), FollowOptions{Query: Query{Since: start}}))
		got.missed(plan)
	})
}

// TestFollowOutageWithinALook adds events during an outage between two pages of
// one look. They are on the later page, but the log is not known up to them.
func TestFollowOutageWithinALook(t *testing.T) {
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			h := newHostile(seed, 6000, 100*time.Millisecond)
			h.delay = 100 * time.Millisecond
			plan := h.plan
			requests := 0
			h.asked = func() {
				if requests++; requests == 1 {
					h.down = append(h.down, outage{time.Now(), time.Now().Add(150 * time.Second)})
				}
			}
			time.Sleep(3 * time.Minute)
			ctx, cancel := context.WithDeadline(t.Context(), h.end().Add(time.Minute))
			defer cancel()
			got := newFollowed(t)
			got.follow(ctx, mustFollow(t, h.client(nil), FollowOptions{Query: Query{Since: start}}))
			got.missed(plan)
		})
	}
}

// A position that cannot be saved at the end must not look like an ordinary end.
func TestFollowReportsAFailedSaveAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHostile(5, 100, 10*time.Millisecond)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		full, ended := errors.New("disk full"), false
		f := mustFollow(t, h.client(nil), FollowOptions{
			Query: Query{Since: time.Unix(0, 0)},
			Checkpoint: func(FollowState) error {
				if ended {
					return full
				}
				return nil
			},
		})
		var last error
		n := 0
		for _, err := range f.Events(ctx) {
			if last = err; err != nil {
				break
			}
			if n++; n == 50 {
				ended = true
				cancel()
			}
		}
		if !errors.Is(last, full) || errors.Is(last, context.Canceled) {
			t.Errorf("it ended with %v", last)
		}
	})
}

func TestFollowAnEmptyLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHostile(5, 100, time.Second)
		for i := range h.plan {
			h.plan[i].seen = h.plan[i].seen.Add(time.Minute)
		}
		plan := h.plan
		ctx, cancel := context.WithDeadline(t.Context(), h.end().Add(time.Minute))
		defer cancel()
		got := newFollowed(t)
		got.follow(ctx, mustFollow(t, h.client(nil), FollowOptions{Query: Query{Limit: 20}}))
		got.missed(plan)
	})
}

func TestFollowNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHostile(9, 600, 100*time.Millisecond)
		start := time.Now()
		h.down = []outage{
			{start.Add(9900 * time.Millisecond), start.Add(10100 * time.Millisecond)}, // a short outage
			{start.Add(20 * time.Second), start.Add(31 * time.Second)},
		}
		var notices []Notice
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		f := mustFollow(t, h.client(nil), FollowOptions{Notice: func(n Notice) { notices = append(notices, n) }})
		before, after := 0, 0
		for _, err := range f.Events(ctx) {
			if err != nil {
				break
			}
			if len(notices) == 2 && time.Since(start) < 33*time.Second {
				after++
			} else if len(notices) == 0 {
				before++
			}
		}
		if len(notices) != 2 || notices[0].Kind != NoticeLost || !errors.Is(notices[0].Err, mender.ErrUnreachable) ||
			notices[1].Kind != NoticeBack || notices[1].For < 11*time.Second || notices[1].For > 14*time.Second {
			t.Fatalf("notices: %+v", notices)
		}
		if before == 0 || notices[1].Events < 50 || after < notices[1].Events {
			t.Errorf("%d events, then %d announced, and %d returned", before, notices[1].Events, after)
		}
	})
}

func TestFollowEnds(t *testing.T) {
	page := string(logPage(0, 2))
	ok := step{status: 200, body: page}
	for name, test := range map[string]struct {
		steps []step
		is    error
		tries int
	}{
		"without a token":         {[]step{{status: 401, body: `{"error":"unauthorized"}`}}, mender.ErrUnauthorized, 1},
		"when the token ends":     {[]step{ok, ok, {status: 503}, {status: 401, body: `{"error":"unauthorized"}`}}, mender.ErrUnauthorized, 4},
		"not allowed":             {[]step{ok, {status: 403, body: `{"error":"no"}`}}, mender.ErrForbidden, 2},
		"with what is wrong":      {[]step{{status: 400, body: `{"error":"integration ID is not a valid UUID"}`}}, nil, 1},
		"where there is nobody":   {[]step{{dial: true}}, mender.ErrUnreachable, firstTries},
		"where there is no API":   {[]step{{status: 200, body: "<html>"}}, mender.ErrBadAnswer, firstTries},
		"but not while it starts": {[]step{ok, {status: 404, body: "404 page not found"}, {status: 502}, {dial: true}, {status: 401, body: `{"error":"x"}`}}, mender.ErrUnauthorized, 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s := scripted(t, test.steps...)
				var last error
				for _, err := range mustFollow(t, c, FollowOptions{}).Events(t.Context()) {
					last = err
				}
				if last == nil || test.is != nil && !errors.Is(last, test.is) {
					t.Errorf("error: %v", last)
				}
				if s.n != test.tries {
					t.Errorf("%d requests", s.n)
				}
			})
		})
	}
}

func TestFollowWaitsAsAsked(t *testing.T) {
	ok := step{status: 200, body: "[]"}
	for name, test := range map[string]struct {
		step   step
		wait   time.Duration
		notice NoticeKind
	}{
		"a mishap":          {step{status: 500}, quickRetry, ""},
		"a moment":          {step{status: 429, header: "Retry-After: 1"}, time.Second, ""},
		"half a minute":     {step{status: 429, header: "Retry-After: 30"}, 30 * time.Second, NoticeSlowed},
		"down for upgrades": {step{status: 503, header: "Retry-After: 60"}, time.Minute, NoticeSlowed},
		"a month":           {step{status: 429, header: "Retry-After: 2592000"}, maxRetryAfter, NoticeSlowed},
		"not said":          {step{status: 429}, 2 * DefaultInterval, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s := scripted(t, ok, test.step, ok)
				var kinds []NoticeKind
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				for _, err := range mustFollow(t, c, FollowOptions{Notice: func(n Notice) { kinds = append(kinds, n.Kind) }}).Events(ctx) {
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
				}
				if got := s.at[2].Sub(s.at[1]); got != test.wait {
					t.Errorf("it waited %s", got)
				}
				want := []NoticeKind{test.notice, NoticeBack}
				if test.notice == "" {
					want = nil
				}
				if diff := cmp.Diff(want, kinds); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestFollowResumesAfterWeeks(t *testing.T) {
	for name, test := range map[string]struct {
		away time.Duration
		gap  bool
	}{"days": {6 * 24 * time.Hour, false}, "weeks": {15 * 24 * time.Hour, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHostile(11, 5000, 5*time.Minute)
				c := h.client(nil)
				plan := h.plan
				var state *FollowState
				got := newFollowed(t)
				var notices []Notice
				run := func(d time.Duration) {
					ctx, cancel := context.WithTimeout(t.Context(), d)
					defer cancel()
					f := mustFollow(t, c, FollowOptions{
						Resume: state, Notice: func(n Notice) { notices = append(notices, n) },
						Checkpoint: func(s FollowState) error { state = throughJSON(t, s); return nil },
					})
					f.most = 100 // so that it takes many looks to catch up
					got.follow(ctx, f)
				}
				run(time.Hour)
				left := time.Now()
				time.Sleep(test.away)
				back := time.Now()
				run(time.Minute)
				gone := 0
				for _, e := range plan {
					if e.seen.After(left) && e.seen.Before(back) && got.times[e.id] == 0 {
						gone++
					}
				}
				if test.gap != (gone > 0) {
					t.Errorf("%d events are gone", gone)
				}
				if test.gap && (len(notices) != 1 || notices[0].Kind != NoticeGap || notices[0].From.Before(left.Add(-time.Minute)) ||
					notices[0].To.Sub(notices[0].From).Round(24*time.Hour) != 8*24*time.Hour) || !test.gap && notices != nil {
					t.Errorf("notices: %+v", notices)
				}
			})
		})
	}
}

// TestFollowKeepsItsPlace ends the reader at each event, as a full disk would, and
// as a crash right after it would.
func TestFollowKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		h := newHostile(13, 200, time.Second)
		plan := h.plan
		c := h.client(nil)
		got := newFollowed(t)
		var state *FollowState
		for runs := 0; len(got.order) < len(plan) && runs < 1000; runs++ {
			n := 0
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			for e, err := range mustFollow(t, c, FollowOptions{
				Query: Query{Since: start}, Resume: state,
				Checkpoint: func(s FollowState) error { state = throughJSON(t, s); return nil },
			}).Events(ctx) {
				if err != nil {
					break
				}
				if n++; n == 4 {
					break // the event was not consumed
				}
				got.take(e)
			}
			cancel()
		}
		got.missed(plan)
	})
}

func TestFollowRefusesAnotherLog(t *testing.T) {
	c, _ := scripted(t, step{status: 200, body: "[]"})
	good := FollowState{Version: followVersion, Server: c.client.Server(), IntegrationID: ours}
	if _, err := c.Follow(FollowOptions{Resume: &good, Query: Query{IntegrationID: ours}}); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*FollowState){
		"version":     func(s *FollowState) { s.Version = 99 },
		"server":      func(s *FollowState) { s.Server = "https://other.example" },
		"integration": func(s *FollowState) { s.IntegrationID = theirs },
	} {
		s := good
		change(&s)
		if _, err := c.Follow(FollowOptions{Resume: &s, Query: Query{IntegrationID: ours}}); !errors.Is(err, errFollowState) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFollowMemory compares the memory in use after ten thousand events and after
// many more (a million in CI). With twenty events a second, the events of a minute
// are in memory early on.
func TestFollowMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		few, many := 10_000, *followMany
		e := &endless{start: time.Now(), step: 50 * time.Millisecond}
		c := logOf(t, mender.Options{Transport: e})
		held := map[int]uint64{}
		n := 0
		for _, err := range mustFollow(t, c, FollowOptions{Interval: 100 * time.Second}).Events(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == few || n == many {
				held[n] = heap()
			}
			if n == many {
				break
			}
		}
		t.Logf("%d KiB after %d events, %d KiB after %d", held[few]>>10, few, held[many]>>10, many)
		if held[many] > held[few]+held[few]/5 {
			t.Errorf("it grew by more than a fifth")
		}
	})
}

// TestFollowCatchesUp resumes when the log has grown by many more events than a
// look holds, and is still growing.
func TestFollowCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endless{start: time.Now(), step: 50 * time.Millisecond, took: time.Second}
		c := logOf(t, mender.Options{Transport: e})
		start, before := time.Now(), heap()
		time.Sleep(time.Duration(*followMany) * e.step)
		n, requests := 0, 0
		var held uint64
		for event, err := range mustFollow(t, c, FollowOptions{Query: Query{Since: start}}).Events(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("%08d", n); event.ID[:8] != want {
				t.Fatalf("%s was returned instead of %s", event.ID, want)
			}
			if n%2000 == 0 {
				held = max(held, heap()-before)
			}
			if n++; n == *followMany {
				requests = e.requests
			}
			if n == *followMany+10_000 { // including those that arrived meanwhile
				break
			}
		}
		t.Logf("%d requests for %d events, %d MiB held", requests, *followMany, held>>20)
		if pages := *followMany / mender.MaxPageSize; requests > 4*pages {
			t.Errorf("%d requests for %d pages", requests, pages)
		}
		if held > 8<<20 {
			t.Errorf("%d MiB were held", held>>20)
		}
	})
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// endless is a log with one event per step, generated when it is requested.
type endless struct {
	start    time.Time
	step     time.Duration
	took     time.Duration // duration of a request
	requests int
}

func (e *endless) RoundTrip(req *http.Request) (*http.Response, error) {
	e.requests++
	time.Sleep(e.took)
	var page, size int
	if _, err := fmt.Sscanf(req.URL.Query().Get("page")+" "+req.URL.Query().Get("per_page"), "%d %d", &page, &size); err != nil {
		return nil, err
	}
	newest := int(time.Since(e.start)/e.step) - (page-1)*size
	var b strings.Builder
	b.WriteByte('[')
	for i := newest; i > newest-size && i >= 0; i-- {
		if i != newest {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"%08d-0000-4000-8000-000000000000","type":"device-decommissioned","data":{"id":"d"},"time":%q}`,
			i, e.start.Add(time.Duration(i)*e.step).UTC().Format(time.RFC3339Nano))
	}
	b.WriteByte(']')
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: readAll(b.String()), Request: req}, nil
}

func readAll(text string) io.ReadCloser { return io.NopCloser(strings.NewReader(text)) }
