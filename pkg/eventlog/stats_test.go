package eventlog

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func statsOf(from, to time.Time, events ...mender.Event) Stats {
	c := newCollector(ours)
	for i := len(events) - 1; i >= 0; i-- { // newest first
		c.add(&events[i])
	}
	return c.stats(from, to)
}

func TestStats(t *testing.T) {
	start := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	event := func(minutes int, typ webhook.EventType, code int, text string) mender.Event {
		return withDeliveries(webhook.Event{ID: "x", Type: typ, Time: at(minutes)},
			mender.DeliveryStatus{IntegrationID: ours, Success: text == "", StatusCode: code, Error: text},
			mender.DeliveryStatus{IntegrationID: theirs, Success: false, Error: "not ours"})
	}
	const changed, gone = webhook.DeviceStatusChanged, webhook.DeviceDecommissioned
	got := statsOf(start, at(60),
		event(0, changed, 200, ""), event(1, changed, 500, "a"), event(2, changed, 0, "b"), event(3, changed, 500, "a"),
		event(4, gone, 204, ""), event(5, changed, 500, "a"), mender.Event{Event: webhook.Event{ID: "y", Type: gone, Time: at(6)}},
		event(45, changed, 200, ""), event(46, changed, 200, ""))
	rate := 0.5
	want := Stats{
		From: start, To: at(60), Events: 9, Deliveries: 8, Failures: 4, SuccessRate: &rate,
		ByType:            []TypeStats{{changed, 7, 7, 4}, {gone, 2, 1, 0}},
		ByStatusCode:      []StatusStats{{200, 3, 0}, {500, 3, 3}, {0, 1, 1}, {204, 1, 0}},
		ByError:           []ErrorStats{{"a", 3, at(5)}, {"b", 1, at(2)}},
		LongestFailureRun: &FailureRun{3, at(1), at(3)},
		Gaps:              []Gap{{at(6), at(45), 39 * 60}, {at(46), at(60), 14 * 60}},
	}
	for i := range 12 {
		want.OverTime = append(want.OverTime, PeriodStats{From: at(5 * i), To: at(5*i + 5)})
	}
	want.OverTime[0].Deliveries, want.OverTime[0].Failures = 5, 3
	want.OverTime[1].Deliveries, want.OverTime[1].Failures = 1, 1
	want.OverTime[9].Deliveries = 2
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Stats{}, "Last", "LastFailure", "Failure")); diff != "" {
		t.Error(diff)
	}
}

func TestStatsOfNothing(t *testing.T) {
	got := statsOf(time.Time{}, time.Time{})
	want := Stats{ByType: []TypeStats{}, ByStatusCode: []StatusStats{}, ByError: []ErrorStats{}, OverTime: []PeriodStats{}, Gaps: []Gap{}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Stats{}, "Last", "LastFailure", "Failure")); diff != "" {
		t.Error(diff)
	}
}

func TestStatsPeriods(t *testing.T) {
	const day = 24 * time.Hour
	for whole, want := range map[time.Duration]time.Duration{
		time.Second: time.Second, 20 * time.Minute: time.Minute, time.Hour: 5 * time.Minute, day: time.Hour,
		7 * day: 12 * time.Hour, 365 * day: 16 * day,
	} {
		if got := periodWidth(whole); got != want {
			t.Errorf("%s is divided by %s", whole, got)
		}
	}
}
