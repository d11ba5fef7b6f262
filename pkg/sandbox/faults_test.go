package sandbox

import (
	"net/http"
	"testing"
	"time"
)

func TestFailRate(t *testing.T) {
	c := start(t, Options{FailRate: 0.5})
	seen := map[int]int{}
	for range 200 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+iot+"/integrations", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+c.token)
		resp, err := c.http.Do(req)
		if err != nil {
			seen[0]++ // cut off; the client retries some of these itself
			continue
		}
		_ = resp.Body.Close()
		seen[resp.StatusCode]++
		if (resp.StatusCode == 429) != (resp.Header.Get("Retry-After") != "") {
			t.Errorf("%d with Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
		}
		if (resp.StatusCode == 503) == (resp.Header.Get(headerRequestID) != "") {
			t.Errorf("%d with request id %q", resp.StatusCode, resp.Header.Get(headerRequestID))
		}
	}
	for _, status := range []int{0, 200, 429, 500, 503} {
		if seen[status] == 0 {
			t.Errorf("never %d: %v", status, seen)
		}
	}
	if seen[200] < 60 || seen[200] > 140 {
		t.Errorf("%d of 200 requests went well, want about half", seen[200])
	}
	// The devices' own API is not affected.
	c.do("GET", inside+"/alive", "").expect(t, 204, "")
}

func TestLatency(t *testing.T) {
	const latency = 50 * time.Millisecond
	c := start(t, Options{Latency: latency})
	begin := time.Now()
	c.as(c.token, "GET", iot+"/events", "").expect(t, 200, "")
	if d := time.Since(begin); d < latency {
		t.Errorf("answered after %v", d)
	}
}

func TestRateLimit(t *testing.T) {
	now := newClock()
	c := start(t, Options{RateLimit: 3, Now: now.now})
	get := func() answer { return c.as(c.token, "GET", iot+"/events", "") }
	for range 3 {
		get().expect(t, 200, "")
	}
	now.advance(20*time.Second + time.Millisecond)
	a := get()
	a.expect(t, 429, "rate limit exceeded")
	if got := a.header.Get("Retry-After"); got != "40" {
		t.Errorf("Retry-After %q, want 40", got)
	}
	c.login("reader@example.com", "only-looking-around", "").expect(t, 200, "")
	now.advance(40 * time.Second)
	get().expect(t, 200, "")
}

func TestBadOptions(t *testing.T) {
	for _, o := range []Options{{FailRate: 1.1}, {FailRate: -1}, {History: -1}, {RateLimit: -1}, {Latency: -1}} {
		if _, err := New(o); err == nil {
			t.Errorf("no error for %+v", o)
		}
	}
}
