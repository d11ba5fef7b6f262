package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// movingLog is a server whose log changes between any two requests, and that fails
// more often than any real one.
type movingLog struct {
	mu   sync.Mutex
	rnd  *rand.Rand
	log  []logged // newest first
	made int

	// arrive and expire limit how many events arrive and expire between requests.
	arrive, expire int
	// faults is how many of ten requests fail.
	faults int
	// old servers ignore integration_id.
	old bool

	requests int
	pages    []int
	inFlight int
}

type logged struct {
	id          string
	at          time.Time
	integration string
}

const (
	ours   = "3bb0e41e-46b7-497b-977b-9215502b73e9"
	theirs = "7a6b6a0e-0b0c-4f57-9f2a-3e4d5a6b7c8d"
)

func newMovingLog(seed uint64, n int) *movingLog {
	m := &movingLog{rnd: rand.New(rand.NewPCG(seed, 0))}
	start := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for range n {
		m.add(start.Add(time.Duration(m.made/2) * time.Millisecond)) // pairs share a millisecond
	}
	return m
}

// add saves an event in its place by time, after other events of the same
// millisecond.
func (m *movingLog) add(at time.Time) {
	m.made++
	e := logged{fmt.Sprintf("event-%d", m.made), at, ours}
	if m.made%3 == 0 {
		e.integration = theirs
	}
	i, _ := slices.BinarySearchFunc(m.log, at, func(l logged, at time.Time) int { return at.Compare(l.at) })
	for i < len(m.log) && m.log[i].at.Equal(at) {
		i++
	}
	m.log = slices.Insert(m.log, i, e)
}

func (m *movingLog) move() {
	for range m.rnd.IntN(m.arrive + 1) {
		late := time.Duration(m.rnd.IntN(10_000)) * time.Millisecond
		newest := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC).Add(time.Duration(m.made) * time.Millisecond)
		m.add(newest.Add(-late))
	}
	gone := min(m.rnd.IntN(m.expire+1), len(m.log))
	m.log = m.log[:len(m.log)-gone]
}

func (m *movingLog) RoundTrip(req *http.Request) (*http.Response, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.inFlight++; m.inFlight > 1 {
		panic("two requests at once")
	}
	defer func() { m.inFlight-- }()
	m.requests++
	m.move()
	answer := func(status int, body string) *http.Response {
		return &http.Response{StatusCode: status, Header: http.Header{"X-Men-Requestid": {"r"}}, Body: io.NopCloser(strings.NewReader(body)), Request: req}
	}
	if m.rnd.IntN(10) < m.faults {
		switch m.rnd.IntN(3) {
		case 0:
			return answer(http.StatusServiceUnavailable, ""), nil
		case 1:
			return answer(http.StatusTooManyRequests, ""), nil
		}
		return nil, syscall.ECONNRESET
	}
	q := req.URL.Query()
	page, _ := strconv.Atoi(q.Get("page"))
	size, _ := strconv.Atoi(q.Get("per_page"))
	m.pages = append(m.pages, page)
	list := m.log
	if id := q.Get("integration_id"); id != "" && !m.old {
		list = slices.DeleteFunc(slices.Clone(list), func(l logged) bool { return l.integration != id })
	}
	from := min((page-1)*size, len(list))
	list = list[from:min(from+size, len(list))]
	out := []string{}
	for _, l := range list {
		text := fmt.Sprintf(`{"id":%q,"type":"device-decommissioned","data":{"id":"d"},"time":%q,"delivery_statuses":[{"integration_id":%q,"success":true}]}`,
			l.id, l.at.Format(time.RFC3339Nano), l.integration)
		out = append(out, text)
		if m.faults > 0 && m.rnd.IntN(20) == 0 {
			out = append(out, text) // a duplicate on the same page
		}
	}
	return answer(http.StatusOK, "["+strings.Join(out, ",")+"]"), nil
}

func (m *movingLog) client(t *testing.T) *Log {
	t.Helper()
	return logOf(t, mender.Options{Transport: m, Retry: mender.RetryPolicy{Retries: 50}})
}

func TestEventsWhileTheLogMoves(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			m := newMovingLog(seed, 1000)
			m.arrive, m.expire, m.faults, m.old = int(seed), int(seed%7), int(seed%3), seed%2 == 0
			q := Query{pageSize: 20 + int(seed*7)}
			if seed%4 >= 2 {
				q.IntegrationID = ours
			}
			before := slices.Clone(m.log)
			got := map[string]bool{}
			last := time.Time{}
			for e, err := range m.client(t).Events(t.Context(), q) {
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				if got[e.ID] {
					t.Errorf("seed %d: %s was returned twice", seed, e.ID)
				}
				if !last.IsZero() && e.Time.After(last) {
					t.Errorf("seed %d: %s of %v was returned after %v", seed, e.ID, e.Time, last)
				}
				if q.IntegrationID != "" && e.Deliveries()[0].IntegrationID != ours {
					t.Errorf("seed %d: %s is of another integration", seed, e.ID)
				}
				got[e.ID], last = true, e.Time
			}
			left := map[string]bool{}
			for _, l := range m.log {
				left[l.id] = true
			}
			for _, l := range before {
				if left[l.id] && !got[l.id] && (q.IntegrationID == "" || l.integration == ours) {
					t.Errorf("seed %d: %s was lost", seed, l.id)
				}
			}
		})
	}
}

func TestWindowForgetsInOrder(t *testing.T) {
	w := newWindow(3)
	at := func(s int) time.Time { return time.Unix(int64(100-s), 0) }
	for i := range 10 {
		if !w.add(strconv.Itoa(i), at(i)) {
			t.Errorf("%d is new", i)
		}
	}
	for i := range 10 {
		if w.add(strconv.Itoa(i), at(i)) {
			t.Errorf("%d was seen", i)
		}
	}
	if !w.add("next", at(10)) {
		t.Error("an older one is new")
	}
}

func TestEventsBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMovingLog(1, 5000)
		newest := m.log[0].at
		q := Query{pageSize: 50, Since: newest.Add(-500 * time.Millisecond), Until: newest.Add(-100 * time.Millisecond)}
		n := 0
		for e, err := range m.client(t).Events(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Time.Before(q.Since) || !e.Time.Before(q.Until) {
				t.Errorf("%v is out of bounds", e.Time)
			}
			n++
		}
		if n != 800 { // two per millisecond
			t.Errorf("%d events", n)
		}
	})
	synctest.Test(t, func(t *testing.T) { // reading stops at events a minute older than Since
		m := newMovingLog(1, 0)
		for i := range 1000 {
			m.add(time.Unix(int64(i)*10, 0))
		}
		for _, err := range m.client(t).Events(t.Context(), Query{pageSize: 10, Since: time.Unix(9_900, 0)}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if m.requests > 2+3+1 {
			t.Errorf("%d pages were read", m.requests)
		}
	})
}

func TestEventsStopWithTheReader(t *testing.T) {
	for name, test := range map[string]struct{ take, pages int }{
		"within the first page": {20, 1}, "on the second": {21, 2 + 3}, "on the fifth": {81, 5 + 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // synctest fails if a goroutine remains
				m := newMovingLog(1, 5000)
				n := 0
				for _, err := range m.client(t).Events(t.Context(), Query{pageSize: 20}) {
					if err != nil {
						t.Fatal(err)
					}
					if n++; n == test.take {
						synctest.Wait()
						break
					}
				}
				if m.requests > test.pages {
					t.Errorf("%d pages were fetched: %v", m.requests, m.pages)
				}
			})
		})
	}
}

func TestEventsErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		page := string(logPage(0, 2))
		c, s := scripted(t, step{status: 200, body: page}, step{status: 401, body: `{"error":"unauthorized"}`})
		n := 0
		var last error
		for e, err := range c.Events(t.Context(), Query{pageSize: 2}) {
			if last != nil {
				t.Error("an event was returned after the error")
			}
			if last = err; err == nil {
				n++
			} else if e.ID != "" {
				t.Error("an event was returned with the error")
			}
		}
		if n != 2 || !errors.Is(last, mender.ErrUnauthorized) || s.n != 2 {
			t.Errorf("%d events, %d requests, %v", n, s.n, last)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c, _ := scripted(t, step{status: 200, body: string(logPage(0, 2))}, step{hang: true})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		var last error
		for _, err := range c.Events(ctx, Query{pageSize: 2}) {
			last = err
		}
		if !errors.Is(last, context.Canceled) {
			t.Errorf("error: %v", last)
		}
	})
	c, _ := scripted(t, step{status: 200, body: `[{"id":"a","type":"b"},{"id"`})
	for _, err := range c.Events(t.Context(), Query{}) {
		if !errors.Is(err, mender.ErrBadAnswer) {
			t.Errorf("error: %v", err)
		}
	}
}

// pages returns answers with events. "c98" is the event with the id c that was
// saved in second 98.
func pages(lists ...string) []step {
	var out []step
	for _, list := range lists {
		events := []string{}
		for _, name := range strings.Fields(list) {
			second, _ := strconv.Atoi(name[1:])
			events = append(events, fmt.Sprintf(`{"id":%q,"type":"x","time":%q}`, name, time.Unix(int64(second), 0).UTC().Format(time.RFC3339)))
		}
		out = append(out, step{status: 200, body: "[" + strings.Join(events, ",") + "]"})
	}
	return out
}

func TestEventsOrder(t *testing.T) {
	for name, test := range map[string]struct {
		pages []step
		want  string
	}{
		"nothing moves":             {pages("a99 b98 c97", "d96 e95 f94", ""), "a99 b98 c97 d96 e95 f94"},
		"shifted by two":            {pages("a99 b98 c97", "b98 c97 d96", "e95"), "a99 b98 c97 d96 e95"},
		"shifted by a page":         {pages("a99 b98 c97", "a99 b98 c97", "d96"), "a99 b98 c97 d96"},
		"late, between seen ones":   {pages("a99 b97 c96", "b97 L96 c96", "d95"), "a99 b97 c96 L96 d95"},
		"late, newer than the rest": {pages("a99 b97 c95", "b97 L96 c95", "d94"), "a99 b97 c95 d94"},
		"late, at the page's end":   {pages("a99 b98 c96", "a99 b98 L97", "c96 d95 e94", ""), "a99 b98 c96 d95 e94"},
		"not in order by time":      {pages("a50 b99 c80", "d70 e90 f60", "g99 h98 i97", "j10"), "a50 b99 c80 d70 e90 f60 g99 h98 i97 j10"},
		"repeated on the page":      {pages("a99 a99 b98", "c97 b98 d96", ""), "a99 b98 c97 d96"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := scripted(t, append(test.pages, step{status: 200, body: "[]"})...)
				var got []string
				for e, err := range c.Events(t.Context(), Query{pageSize: 3}) {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, e.ID)
				}
				if text := strings.Join(got, " "); text != test.want {
					t.Errorf("got %s, want %s", text, test.want)
				}
			})
		})
	}
}

func TestLogMemoryStaysBounded(t *testing.T) {
	r := &reading{
		query: Query{pageSize: 3}, seen: newWindow(windowSize),
		read: func(mender.Event) {}, yield: func(mender.Event, error) bool { return true },
	}
	for i, page := range pages("a1 b99 c98", "d97 e96 f95", "g94 h93 i92", "j91 k90 l89") {
		var events []mender.Event
		if err := json.Unmarshal([]byte(page.body), &events); err != nil {
			t.Fatal(err)
		}
		if r.readPage(events); len(r.held) > 3 {
			t.Errorf("%d events are held after page %d", len(r.held), i+1)
		}
	}
}
