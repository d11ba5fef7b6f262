package eventlog

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/redact"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Stats are statistics of the deliveries in the log. Deliveries that exceeded
// Mender's limit of 10 s are not in the log.
type Stats struct {
	// From and To are the bounds of the statistics: From is included, To is
	// not.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Events is the number of events in the log, with or without a delivery.
	Events     int `json:"events"`
	Deliveries int `json:"deliveries"`
	Failures   int `json:"failures"`
	// SuccessRate is the share of deliveries that did not fail, from 0 to 1; nil
	// if there was no delivery.
	SuccessRate *float64 `json:"success_rate"`
	// ByType, ByStatusCode and ByError are sorted by count, largest first.
	ByType       []TypeStats   `json:"by_type"`
	ByStatusCode []StatusStats `json:"by_status_code"`
	ByError      []ErrorStats  `json:"by_error"`
	// OverTime divides the time from From to To into periods, oldest first.
	OverTime []PeriodStats `json:"over_time"`
	// LongestFailureRun is nil if nothing failed.
	LongestFailureRun *FailureRun `json:"longest_failure_run"`
	// Gaps are the longest periods without an event, oldest first.
	Gaps []Gap `json:"gaps"`

	// Last is the newest event, LastFailure the newest event with a failed
	// delivery, and Failure that delivery. Last and LastFailure are nil if
	// there is none.
	Last        *mender.Event         `json:"-"`
	LastFailure *mender.Event         `json:"-"`
	Failure     mender.DeliveryStatus `json:"-"`
}

// TypeStats count the events of one type.
type TypeStats struct {
	Type       webhook.EventType `json:"type"`
	Events     int               `json:"events"`
	Deliveries int               `json:"deliveries"`
	Failures   int               `json:"failures"`
}

// StatusStats count the deliveries with one status code. 0 means that there was
// no HTTP answer, or that the provider does not use HTTP. See
// mender.StatusNotRecorded.
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

// PeriodStats count the deliveries in one period.
type PeriodStats struct {
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	Deliveries int       `json:"deliveries"`
	Failures   int       `json:"failures"`
}

// FailureRun is a sequence of deliveries in the log that all failed.
type FailureRun struct {
	Deliveries int       `json:"deliveries"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
}

// Gap is a period without events.
type Gap struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Seconds float64   `json:"seconds"`
}

// Statistics computes the statistics of the events that match a query. Its
// memory grows by a few bytes per event. It calls read for every event that it
// reads.
func (l *Log) Statistics(ctx context.Context, q Query, read func(mender.Event)) (Stats, error) {
	c := newCollector(q.IntegrationID)
	for e, err := range l.EventsWithProgress(ctx, q, read) {
		if err != nil {
			return Stats{}, err
		}
		c.add(&e)
	}
	to := q.Until
	if to.IsZero() {
		var err error
		if to, err = l.ServerTime(ctx); err != nil {
			return Stats{}, err
		}
	}
	return c.stats(q.Since, to), nil
}

// LastDay returns the statistics of an integration's deliveries in the last 24
// hours, by the server's clock.
func (l *Log) LastDay(ctx context.Context, integrationID string) (Stats, error) {
	now, err := l.ServerTime(ctx)
	if err != nil {
		return Stats{}, err
	}
	q := Query{IntegrationID: integrationID, Since: now.Add(-24 * time.Hour)}
	return l.Statistics(ctx, q, func(mender.Event) {})
}

// FailureText returns the server's reason for a failed delivery, without the
// tokens that its URL may contain.
func FailureText(d mender.DeliveryStatus) string {
	switch {
	case d.Error != "":
		return redact.URLs(d.Error)
	case d.StatusCode != 0:
		return fmt.Sprintf("status %d", d.StatusCode)
	}
	return "no reason given"
}

// WithoutRequest shortens errors of the form `Post "URL": reason` to the reason, because
// the rest is the same for all deliveries.
func WithoutRequest(problem string) string {
	if strings.HasPrefix(problem, `Post "`) {
		if _, reason, ok := strings.Cut(problem, `": `); ok {
			return reason
		}
	}
	return problem
}

// OutcomeText describes the outcome of a delivery: its status, if any, and the reason
// if it failed.
func OutcomeText(d mender.DeliveryStatus) string {
	outcome := "ok"
	if !d.Success {
		outcome = "failed: " + FailureText(d)
	}
	if d.StatusCode != 0 {
		outcome = fmt.Sprintf("%d, %s", d.StatusCode, outcome)
	}
	return outcome
}

// collector accumulates the statistics of events.
type collector struct {
	integrationID string         // only its deliveries count, if not empty
	ports         *regexp.Regexp // local ports, which make otherwise equal errors differ
	last, failed  *mender.Event
	failure       mender.DeliveryStatus

	times    []time.Time // of each event
	outcomes []outcome   // of each delivery
	types    map[webhook.EventType]*TypeStats
	statuses map[int]*StatusStats
	errors   map[string]*ErrorStats
}

func newCollector(integrationID string) *collector {
	return &collector{
		integrationID: integrationID, ports: regexp.MustCompile(`\b(read|write) tcp \S+->(\S+): `),
		types: map[webhook.EventType]*TypeStats{}, statuses: map[int]*StatusStats{}, errors: map[string]*ErrorStats{},
	}
}

type outcome struct {
	at     time.Time
	failed bool
}

// add adds an event. Call it with the newest event first.
func (c *collector) add(e *mender.Event) {
	if c.last == nil {
		c.last = e
	}
	c.times = append(c.times, e.Time)
	t := entry(c.types, e.Type)
	t.Type = e.Type
	t.Events++
	for _, d := range e.Deliveries() {
		if c.integrationID != "" && d.IntegrationID != c.integrationID {
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

func (c *collector) addFailure(e *mender.Event, d mender.DeliveryStatus) {
	if c.failed == nil {
		c.failed, c.failure = e, d
	}
	text := c.ports.ReplaceAllString(FailureText(d), "$1 tcp …->$2: ")
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

// stats returns the statistics. If from is zero, it starts at the oldest event;
// if to is zero, it ends just after the newest one. Call it once, after the last
// add.
func (c *collector) stats(from, to time.Time) Stats {
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
		Last: c.last, LastFailure: c.failed, Failure: c.failure,
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

func (c *collector) longestRun() *FailureRun {
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
