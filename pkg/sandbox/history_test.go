package sandbox

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func TestHistory(t *testing.T) {
	const n = 5_000
	now := newClock()
	c := start(t, Options{History: n, Now: now.now})
	seen := map[string]bool{}
	types, failures := map[webhook.EventType]int{}, map[string]int{}
	last := now.now()
	for page := 1; len(seen) < n; page++ {
		events := c.events(fmt.Sprintf("?per_page=500&page=%d", page))
		if len(events) == 0 {
			t.Fatalf("the log ends after %d events", len(seen))
		}
		for _, e := range events {
			if seen[e.ID] || e.Time.After(last) || now.now().Sub(e.Time) > week {
				t.Fatalf("page %d: %+v comes twice, out of order or from too long ago", page, e)
			}
			seen[e.ID], last = true, e.Time
			types[e.Type]++
			if d := e.DeliveryStatuses[0]; !d.Success {
				failures[d.Error]++
			} else if d.StatusCode == nil {
				t.Fatalf("a success without a status code: %+v", e)
			}
		}
	}
	if len(types) != 3 || len(failures) < 6 {
		t.Errorf("events of types %v with failures %v", types, failures)
	}
	if d := now.now().Sub(last); d < 6*24*time.Hour {
		t.Errorf("the oldest is from %v ago, want about a week", d)
	}
}

func TestLongHistory(t *testing.T) {
	const n, perPage = 100_000, 500
	c := start(t, Options{History: n})
	begin, events := time.Now(), 0
	for page := 1; page <= n/perPage+1; page++ {
		body := c.as(c.token, "GET", fmt.Sprintf("%s/events?per_page=%d&page=%d", iot, perPage, page), "").body
		events += strings.Count(body, `"delivery_statuses":`)
	}
	t.Logf("read in %v", time.Since(begin))
	if events != n {
		t.Errorf("%d events, want %d", events, n)
	}
}

func TestHistoryIsRepeatable(t *testing.T) {
	now := newClock()
	read := func(seed uint64) string {
		c := start(t, Options{History: 200, Seed: seed, Now: now.now})
		return c.as(c.token, "GET", iot+"/events?per_page=500", "").body
	}
	first := read(7)
	if first != read(7) {
		t.Error("the same seed gives another history")
	}
	if first == read(8) {
		t.Error("another seed gives the same history")
	}
}

// TestHistoryIsEncodedAsTheRest compares the handwritten encoding of the history
// with encoding/json's.
func TestHistoryIsEncodedAsTheRest(t *testing.T) {
	c := start(t, Options{History: 500})
	got := c.as(c.token, "GET", iot+"/events?per_page=500", "").body
	want, err := json.Marshal(c.events("?per_page=500"))
	if err != nil || got != string(want) {
		t.Errorf("history differs from its own encoding (%v):\n got %.2000s\nwant %.2000s", err, got, want)
	}
}
