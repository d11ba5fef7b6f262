package history_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/inspector/history"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

func event(t *testing.T, id, deliveries string) (e mender.Event) {
	t.Helper()
	text := fmt.Sprintf(`{"id":%q,"type":"device-status-changed","data":{"id":"d1","status":"accepted"},"time":"2026-11-23T09:00:00Z"%s}`, id, deliveries)
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestLogShowsTheOutcomeOfDeliveries(t *testing.T) {
	var log history.Log
	const ok, failed = `{"integration_id":"i1","success":true,"status_code":204}`, `{"integration_id":"i2","success":false,"error":"Post \"https://a.example/?token=geheim\": EOF"}`
	for _, test := range []struct {
		deliveries, verdict, reason string
		code                        int
		details                     []string
	}{
		{"", "", "", 0, nil},
		{`,"delivery_statuses":[` + ok + `]`, history.Delivered, "", 204, []string{"integration i1: 204, ok"}},
		{`,"delivery_statuses":[` + failed + `,` + ok + `]`, history.Failed, "EOF", 0, []string{
			`integration i2: failed: Post "https://a.example/?token=***": EOF`, "integration i1: 204, ok",
		}},
	} {
		item := log.Add(event(t, "e1", test.deliveries))
		want := history.Item{
			Number: item.Number, Kind: history.Logged, At: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), ID: "e1", Type: "device-status-changed",
			Device: "d1", Status: "accepted", Verdict: test.verdict, Answer: test.code, Error: test.reason,
		}
		if item != want {
			t.Errorf("item %+v\nwant %+v", item, want)
		}
		d, err := log.Details(item.Number)
		if err != nil || d.Item != want || !reflect.DeepEqual(d.Deliveries, test.details) {
			t.Errorf("details %+v, error %v", d, err)
		}
		if strings.Contains(d.Body, "delivery_statuses") || !strings.Contains(d.Body, `"status":"accepted"`) {
			t.Errorf("body %s", d.Body)
		}
	}
	if log.Count("") != 1 || log.Count(history.Delivered) != 1 || log.Count(history.Failed) != 1 {
		t.Error("wrong counts")
	}
}

func TestLogHoldsTheLastEvents(t *testing.T) {
	var log history.Log
	for n := range 1002 {
		log.Add(event(t, fmt.Sprint("e", n+1), ""))
	}
	for number, id := range map[uint64]string{0: "", 2: "", 3: "e3", 1002: "e1002", 1003: ""} {
		d, err := log.Details(number)
		if d.ID != id || errors.Is(err, history.ErrGone) != (id == "") {
			t.Errorf("event %d: %q, error %v", number, d.ID, err)
		}
	}
	large := event(t, "large", `,"x":"`+strings.Repeat("x", 20<<20)+`"`)
	item := log.Add(large)
	log.Add(large)
	if _, err := log.Details(item.Number); !errors.Is(err, history.ErrGone) {
		t.Errorf("40 MiB are held: error %v", err)
	}
}
