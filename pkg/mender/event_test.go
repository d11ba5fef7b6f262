package mender

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// logPage returns a page of the log as the server writes it, with n events,
// starting at the one with the given number.
func logPage(from, n int) []byte {
	var b bytes.Buffer
	b.WriteByte('[')
	for i := from; i < from+n; i++ {
		if i > from {
			b.WriteByte(',')
		}
		at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC).Add(-time.Duration(i) * 7 * time.Millisecond)
		fmt.Fprintf(&b, `{"id":"%08x-e040-4a4d-8aa4-f94a47030fe8","type":"device-status-changed",`+
			`"data":{"id":"769e5a83-259c-4506-ab05-9c2564f196fd","status":"rejected"},"time":%q,`+
			`"delivery_statuses":[{"integration_id":"3bb0e41e-46b7-497b-977b-9215502b73e9","success":true,"status_code":200}]}`,
			i, at.Format("2006-01-02T15:04:05.999Z"))
	}
	b.WriteString("]\n")
	return b.Bytes()
}

func TestEventsKeepTheirBytes(t *testing.T) {
	for _, raw := range []string{
		`{"id":"1","type":"device-status-changed","data":{"status":"a","id":"d"},"time":"2026-11-23T09:54:34.28Z"}`,
		`{"time":"tomorrow","type":"new-thing","id":"\u0031","data":null,"more":{"a":[1.0,2e3]},"delivery_statuses":null}`,
		`{ "id" : "1", "type":"x" , "delivery_statuses": [ {"integration_id":"i","success":false,"status_code":1500,"error":"\u003c&","new":1} ] }`,
	} {
		var e Event
		if err := json.Unmarshal([]byte(raw), &e); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		got, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		_ = json.Compact(&want, []byte(raw))
		// json.Marshal escapes &, as it does for every Marshaler.
		if diff := cmp.Diff(strings.ReplaceAll(want.String(), "&", `\u0026`), string(got)); diff != "" {
			t.Errorf("encoded again (-was +is):\n%s", diff)
		}
		if string(e.Raw()) != raw {
			t.Errorf("Raw is %s, was %s", e.Raw(), raw)
		}
	}
}

func TestEventFields(t *testing.T) {
	raw := `[{"id":"\u0031","type":"device-status-changed","data":{"id":"d","status":"pending"},` +
		`"time":"2026-11-23T09:54:34.28Z","new":{"x":[1]},` +
		`"delivery_statuses":[{"integration_id":"i","success":false,"status_code":410,"error":"a \"b\""},{"integration_id":"j","success":true}]}]`
	events, err := decoded([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	e := events[0]
	want := webhook.Event{
		ID: "1", Type: webhook.DeviceStatusChanged, Time: time.Date(2026, 11, 23, 9, 54, 34, 280e6, time.UTC),
		Data: json.RawMessage(`{"id":"d","status":"pending"}`), Extra: map[string]json.RawMessage{"new": json.RawMessage(`{"x":[1]}`)},
	}
	if diff := cmp.Diff(want, e.Event); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	statuses := []DeliveryStatus{{IntegrationID: "i", StatusCode: 410, Error: `a "b"`}, {IntegrationID: "j", Success: true}}
	if diff := cmp.Diff(statuses, e.Deliveries()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if e.DeviceID() != "d" || e.DeviceStatus() != webhook.StatusPending || !e.Failed() {
		t.Errorf("device %q, status %q, failed %v", e.DeviceID(), e.DeviceStatus(), e.Failed())
	}
}

func decoded(page []byte) ([]Event, error) {
	list, err := parsePage(page)
	if err != nil {
		return nil, err
	}
	return decodeEvents(page, list)
}

func TestEventsThatAreNone(t *testing.T) {
	for _, raw := range []string{``, `{}`, `nul`, `[1]`, `[null]`, `[{"id":"1"}]`, `[{"id":1,"type":"x"}]`, `[{"id":"1","type":"x"}`, `[]]`} {
		if _, err := decoded([]byte(raw)); err == nil {
			t.Errorf("%s counted as a page of the log", raw)
		}
	}
}

// FuzzDecodeEvents compares the fast decoder with the standard library's.
func FuzzDecodeEvents(f *testing.F) {
	for _, x := range recorded(f) {
		if strings.Contains(x.Request.Path, "/events") {
			f.Add([]byte(x.Response.Body))
		}
	}
	f.Add([]byte(`[{"id":"\ud800","type":"\u00e9","time":1,"data":"\"","id":"2","delivery_statuses":[1,{"success":"true","status_code":1e9}]}]`))
	f.Add([]byte("[{\"id\":\"a\\\"\\\\\",\"type\":\"b\",\"\xff\":\"]}\",\"\":-1.5e-3 ,\"delivery_statuses\":[7,null,[{}]]}]"))
	f.Add([]byte(`[{"id":"1","type":"x","time":{},"time":"2026-01-01T00:00:00Z"}]`))
	f.Add([]byte(` [ { "id" :"a" , "type":"b","x":{"id":[{}]} } , {"id":"c","type":"d"} ] `))
	f.Fuzz(func(t *testing.T, page []byte) {
		events, err := decoded(page)
		if err != nil {
			return
		}
		var raws []json.RawMessage
		if err := json.Unmarshal(page, &raws); err != nil || len(raws) != len(events) {
			t.Fatalf("%d events of what the standard library makes %d of, %v", len(events), len(raws), err)
		}
		for i, e := range events {
			if !bytes.Equal(e.Raw(), raws[i]) {
				t.Fatalf("event %d: %s instead of %s", i, e.Raw(), raws[i])
			}
			var fields map[string]json.RawMessage
			if err := json.Unmarshal(raws[i], &fields); err != nil {
				t.Fatal(err)
			}
			for name, value := range e.Extra {
				if !bytes.Equal(fields[name], value) {
					t.Fatalf("field %q: %s instead of %s", name, value, fields[name])
				}
			}
			if e.Data != nil && !bytes.Equal(e.Data, fields["data"]) {
				t.Fatalf("data: %s instead of %s", e.Data, fields["data"])
			}
			var again Event
			if b, err := json.Marshal(e); err != nil || json.Unmarshal(b, &again) != nil || again.ID != e.ID {
				t.Fatalf("event %d does not survive a round trip: %v", i, err)
			}
		}
	})
}

func FuzzDecodeIntegrations(f *testing.F) {
	for _, x := range recorded(f) {
		if strings.HasSuffix(x.Request.Path, "/integrations") && x.Response.Status == 200 {
			f.Add([]byte(x.Response.Body))
		}
	}
	f.Add([]byte(`[{"id":"1","provider":"kafka","credentials":{"type":"sasl","sasl":{"x":1},"http":"no object"},"scopes":"all","new":null}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var list, again []Integration
		if json.Unmarshal(b, &list) != nil {
			return
		}
		once, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(once, &again); err != nil {
			t.Fatalf("%s: %v", once, err)
		}
		if twice, _ := json.Marshal(again); !bytes.Equal(once, twice) {
			t.Fatalf("changes each time:\n%s\n%s", once, twice)
		}
	})
}

func BenchmarkDecodePage(b *testing.B) {
	page := logPage(0, MaxPageSize)
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decoded(page); err != nil {
			b.Fatal(err)
		}
	}
}
