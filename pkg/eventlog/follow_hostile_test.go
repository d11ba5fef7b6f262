package eventlog

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// hostile is a server that behaves worse than any real one, in synctest's
// time: it saves events late and in any order, inserts and expires them
// between any two requests, repeats them on a page, changes the order of those
// that share a millisecond, delays, fails, limits and restarts.
type hostile struct {
	mu   sync.Mutex
	rnd  *rand.Rand
	plan []planned // sorted by seen
	log  []*planned
	// failures is the share of requests that fail, delay the longest that one
	// takes, and keep how long events stay in the log.
	failures float64
	delay    time.Duration
	keep     time.Duration
	down     []outage
	limited  time.Time // until then there are too many requests
	asked    func()    // called for each request
	// clock is how far the server's clock is off, from setBackAt on.
	clock     time.Duration
	setBackAt time.Time
}

type planned struct {
	id   string
	at   time.Time // as the log says
	seen time.Time // when the log first shows it
	body []byte
}

type outage struct{ from, to time.Time }

// newHostile plans n events from now on, at random intervals around the mean.
func newHostile(seed uint64, n int, mean time.Duration) *hostile {
	h := &hostile{rnd: rand.New(rand.NewPCG(seed, 1)), keep: 7 * 24 * time.Hour}
	at := time.Now()
	for i := range n {
		switch h.rnd.IntN(10) {
		case 0: // the same millisecond
		case 1:
			at = at.Add(time.Millisecond)
		default:
			at = at.Add(time.Duration(h.rnd.ExpFloat64() * float64(mean)))
		}
		h.add(i, at)
	}
	slices.SortStableFunc(h.plan, func(a, b planned) int { return a.seen.Compare(b.seen) })
	return h
}

func (h *hostile) add(i int, at time.Time) {
	e := planned{id: fmt.Sprintf("%08x-0000-4000-8000-%012x", h.rnd.Uint32(), i), at: at.Truncate(time.Millisecond), seen: at}
	if h.rnd.IntN(3) == 0 { // late
		e.seen = at.Add(time.Duration(h.rnd.Int64N(int64(10 * time.Second))))
	}
	e.body = eventBody(e.id, e.at)
	h.plan = append(h.plan, e)
}

// setBack sets the server's clock back at a time.
func (h *hostile) setBack(at time.Time, by time.Duration) {
	h.setBackAt, h.clock = at, -by
	for i := range h.plan {
		if e := &h.plan[i]; !e.at.Before(at) {
			e.at = e.at.Add(-by)
			e.body = eventBody(e.id, e.at)
		}
	}
}

func eventBody(id string, at time.Time) []byte {
	typ := "device-status-changed"
	if strings.HasSuffix(id, "00") {
		typ = "device-decommissioned"
	}
	return fmt.Appendf(nil, `{"id":%q,"type":%q,"data":{"id":"d","status":"accepted"},"time":%q,"delivery_statuses":[{"integration_id":%q,"success":true,"status_code":200}]}`,
		id, typ, at.UTC().Format("2006-01-02T15:04:05.999Z07:00"), ours)
}

// restarts plans outages of a second to two minutes until the last event.
func (h *hostile) restarts(n int) {
	from, to := h.plan[0].seen, h.plan[len(h.plan)-1].seen
	for range n {
		at := from.Add(time.Duration(h.rnd.Int64N(int64(to.Sub(from)))))
		h.down = append(h.down, outage{at, at.Add(time.Second + time.Duration(h.rnd.Int64N(int64(2*time.Minute))))})
	}
}

// end returns when the last event is in the log and the last outage is over.
func (h *hostile) end() time.Time {
	end := h.plan[len(h.plan)-1].seen
	for _, o := range h.down {
		if o.to.After(end) {
			end = o.to
		}
	}
	return end
}

// move updates the log.
func (h *hostile) move(now time.Time) {
	for len(h.plan) > 0 && !h.plan[0].seen.After(now) {
		e := &h.plan[0]
		h.plan = h.plan[1:]
		i, _ := slices.BinarySearchFunc(h.log, e.at, func(l *planned, at time.Time) int { return at.Compare(l.at) })
		h.log = slices.Insert(h.log, i, e)
	}
	for len(h.log) > 0 && h.log[len(h.log)-1].at.Before(now.Add(-h.keep)) {
		h.log = h.log[:len(h.log)-1]
	}
	for i := range max(len(h.log)-1, 0) { // events of the same millisecond have no order
		if h.log[i].at.Equal(h.log[i+1].at) && h.rnd.IntN(2) == 0 {
			h.log[i], h.log[i+1] = h.log[i+1], h.log[i]
		}
	}
}

func (h *hostile) RoundTrip(req *http.Request) (*http.Response, error) {
	h.mu.Lock()
	delay := time.Duration(h.rnd.Int64N(int64(h.delay) + 1))
	h.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for _, o := range h.down {
		if !now.Before(o.from) && now.Before(o.to) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}
	}
	if h.asked != nil {
		h.asked()
	}
	if wait := h.limited.Sub(now); wait > 0 {
		resp := h.answer(req, http.StatusTooManyRequests, nil)
		resp.Header.Set("Retry-After", strconv.Itoa(1+int(wait/time.Second)))
		return resp, nil
	}
	if h.rnd.Float64() < h.failures {
		return h.fail(req)
	}
	h.move(now)
	return h.answer(req, http.StatusOK, h.pageOf(req)), nil
}

func (h *hostile) pageOf(req *http.Request) []byte {
	n, _ := strconv.Atoi(req.URL.Query().Get("page"))
	size, _ := strconv.Atoi(req.URL.Query().Get("per_page"))
	from := min((n-1)*size, len(h.log))
	out := [][]byte{}
	for _, e := range h.log[from:min(from+size, len(h.log))] {
		out = append(out, e.body)
		if h.rnd.IntN(50) == 0 && h.failures > 0 {
			out = append(out, e.body)
		}
	}
	return slices.Concat([]byte("["), bytes.Join(out, []byte(",")), []byte("]"))
}

func (h *hostile) answer(req *http.Request, status int, body []byte) *http.Response {
	now := time.Now()
	if !now.Before(h.setBackAt) {
		now = now.Add(h.clock)
	}
	header := http.Header{"Date": {now.UTC().Format(http.TimeFormat)}}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Request: req}
}

func (h *hostile) fail(req *http.Request) (*http.Response, error) {
	switch h.rnd.IntN(8) {
	case 0:
		return h.answer(req, http.StatusInternalServerError, []byte(`{"error":"internal error"}`)), nil
	case 1:
		return h.answer(req, http.StatusServiceUnavailable, nil), nil
	case 2:
		resp := h.answer(req, http.StatusTooManyRequests, nil)
		resp.Header.Set("Retry-After", strconv.Itoa(1+h.rnd.IntN(5)))
		return resp, nil
	case 3:
		return h.answer(req, http.StatusTooManyRequests, nil), nil
	case 4:
		return h.answer(req, http.StatusBadGateway, []byte("<html>")), nil
	case 5:
		page := h.pageOf(req)
		return h.answer(req, http.StatusOK, page[:h.rnd.IntN(len(page))]), nil
	case 6:
		if h.rnd.IntN(4) == 0 { // hangs
			<-req.Context().Done()
			return nil, req.Context().Err()
		}
	}
	return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
}

// client returns the log of the server. now is this machine's clock.
func (h *hostile) client(now func() time.Time) *Log {
	c, err := mender.New(mender.Options{Token: testToken, Transport: h, Now: now})
	if err != nil {
		panic(err)
	}
	return New(c)
}
