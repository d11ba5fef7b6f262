package mender

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Stats say how the deliveries of some time went, as far as the log tells:
// a delivery that ran into Mender's 10 s is not in it.
type Stats struct {
	// From and To bound the time: From is the first that is in, To the first
	// that is out.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Events are those of the log; one without an integration that wanted it
	// has no delivery.
	Events     int `json:"events"`
	Deliveries int `json:"deliveries"`
	Failures   int `json:"failures"`
	// SuccessRate is the share of deliveries that did not fail, from 0 to 1;
	// nil where there was none.
	SuccessRate *float64 `json:"success_rate"`
	// ByType, ByStatusCode and ByError have the largest first.
	ByType       []TypeStats   `json:"by_type"`
	ByStatusCode []StatusStats `json:"by_status_code"`
	ByError      []ErrorStats  `json:"by_error"`
	// OverTime divides the time, oldest first.
	OverTime []PeriodStats `json:"over_time"`
	// LongestFailureRun is nil where nothing failed.
	LongestFailureRun *FailureRun `json:"longest_failure_run"`
	// Gaps are the longest stretches without an event, oldest first.
	Gaps []Gap `json:"gaps"`
}

// TypeStats are those of one event type.
type TypeStats struct {
	Type       webhook.EventType `json:"type"`
	Events     int               `json:"events"`
	Deliveries int               `json:"deliveries"`
	Failures   int               `json:"failures"`
}

// StatusStats are those of one status code; 0 is none: no HTTP answer, or a
// provider that has none. See StatusNotRecorded.
type StatusStats struct {
	StatusCode int `json:"status_code"`
	Deliveries int `json:"deliveries"`
	Failures   int `json:"failures"`
}

// ErrorStats count the failures with one error.
type ErrorStats struct {
	Error    string    `json:"error"`
	Failures int       `json:"failures"`
	Last     time.Time `json:"last"`
}

// PeriodStats are those of a part of the time.
type PeriodStats struct {
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	Deliveries int       `json:"deliveries"`
	Failures   int       `json:"failures"`
}

// FailureRun is a run of deliveries, one after the other in the log, that all
// failed.
type FailureRun struct {
	Deliveries int       `json:"deliveries"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
}

// Gap is a stretch without events.
type Gap struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Seconds float64   `json:"seconds"`
}

// StatsCollector adds up events. Its memory grows by a few bytes an event.
type StatsCollector struct {
	// IntegrationID, if not "", leaves the deliveries to one integration.
	IntegrationID string
	// ErrorText gives the text that failures are told apart by; it is for
	// masking what is secret in it. nil takes the error as it is.
	ErrorText func(DeliveryStatus) string
	// Last and LastFailure are the newest of their kind, with the delivery
	// that failed; nil where there was none.
	Last, LastFailure *Event
	Failure           DeliveryStatus

	times    []time.Time // of each event
	outcomes []outcome   // of each delivery
	types    map[webhook.EventType]*TypeStats
	statuses map[int]*StatusStats
	errors   map[string]*ErrorStats
}

type outcome struct {
	at     time.Time
	failed bool
}

// Add adds an event. Give them newest first, as Client.Events does.
func (c *StatsCollector) Add(e *Event) {
	if c.types == nil {
		c.types, c.statuses, c.errors = map[webhook.EventType]*TypeStats{}, map[int]*StatusStats{}, map[string]*ErrorStats{}
	}
	if c.Last == nil {
		c.Last = e
	}
	c.times = append(c.times, e.Time)
	t := entry(c.types, e.Type)
	t.Type = e.Type
	t.Events++
	for _, d := range e.DeliveryStatuses {
		if c.IntegrationID != "" && d.IntegrationID != c.IntegrationID {
			continue
		}
		t.Deliveries++
		s := entry(c.statuses, d.StatusCode)
		s.StatusCode = d.StatusCode
		s.Deliveries++
		c.outcomes = append(c.outcomes, outcome{e.Time, !d.Success})
		if d.Success {
			continue
		}
		t.Failures++
		s.Failures++
		c.addFailure(e, d)
	}
}

func (c *StatsCollector) addFailure(e *Event, d DeliveryStatus) {
	if c.LastFailure == nil {
		c.LastFailure, c.Failure = e, d
	}
	text := d.Error
	if c.ErrorText != nil {
		text = c.ErrorText(d)
	}
	f := entry(c.errors, text)
	if f.Error = text; f.Failures == 0 {
		f.Last = e.Time
	}
	f.Failures++
}

func entry[K comparable, V any](m map[K]*V, k K) *V {
	v := m[k]
	if v == nil {
		v = new(V)
		m[k] = v
	}
	return v
}

// Stats returns the sums. A zero from is the oldest event's time, a zero to
// just after the newest one's. It may be called once, after the last Add.
func (c *StatsCollector) Stats(from, to time.Time) Stats {
	slices.SortStableFunc(c.times, time.Time.Compare)
	slices.Reverse(c.outcomes)
	slices.SortStableFunc(c.outcomes, func(a, b outcome) int { return a.at.Compare(b.at) })
	if n := len(c.times); n > 0 {
		if from.IsZero() {
			from = c.times[0]
		}
		if to.IsZero() {
			to = c.times[n-1].Add(time.Millisecond)
		}
	}
	s := Stats{
		From: from, To: to, Events: len(c.times), Deliveries: len(c.outcomes),
		ByType: []TypeStats{}, ByStatusCode: []StatusStats{}, ByError: []ErrorStats{},
		OverTime: c.overTime(from, to), LongestFailureRun: c.longestRun(), Gaps: c.gaps(from, to),
	}
	for _, t := range c.types {
		s.ByType = append(s.ByType, *t)
		s.Failures += t.Failures
	}
	for _, code := range c.statuses {
		s.ByStatusCode = append(s.ByStatusCode, *code)
	}
	for _, text := range slices.Sorted(maps.Keys(c.errors)) {
		s.ByError = append(s.ByError, *c.errors[text])
	}
	slices.SortFunc(s.ByType, func(a, b TypeStats) int { return cmp.Or(b.Events-a.Events, cmp.Compare(a.Type, b.Type)) })
	slices.SortFunc(s.ByStatusCode, func(a, b StatusStats) int { return cmp.Or(b.Deliveries-a.Deliveries, a.StatusCode-b.StatusCode) })
	slices.SortStableFunc(s.ByError, func(a, b ErrorStats) int { return b.Failures - a.Failures })
	if s.Deliveries > 0 {
		rate := float64(s.Deliveries-s.Failures) / float64(s.Deliveries)
		s.SuccessRate = &rate
	}
	return s
}

func (c *StatsCollector) longestRun() *FailureRun {
	var longest, run FailureRun
	for _, o := range c.outcomes {
		if !o.failed {
			run = FailureRun{}
			continue
		}
		if run.Deliveries++; run.Deliveries == 1 {
			run.From = o.at
		}
		if run.To = o.at; run.Deliveries > longest.Deliveries {
			longest = run
		}
	}
	if longest.Deliveries == 0 {
		return nil
	}
	return &longest
}
