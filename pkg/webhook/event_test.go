package webhook

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRecordedEventsRoundTrip(t *testing.T) {
	for _, r := range recordings(t) {
		e, err := ParseEvent(r.body)
		if err != nil {
			t.Errorf("%s: %v", r.body, err)
			continue
		}
		if !slices.Contains(EventTypes(), e.Type) || e.ID == "" || e.Time.IsZero() || len(e.Extra) > 0 {
			t.Errorf("%s is read as %+v", r.body, e)
		}
		if got := e.DeviceID(); got != "769e5a83-259c-4506-ab05-9c2564f196fd" && !strings.HasPrefix(string(e.Data), `{"id":"`+got+`"`) {
			t.Errorf("%s: device %q", r.body, got)
		}
		out, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(r.body), string(out)); diff != "" {
			t.Errorf("decoded and encoded (-want +got):\n%s", diff)
		}
	}
}

// NewEvent returns the same bytes as Mender would send.
func TestNewEvent(t *testing.T) {
	r := recordings(t)
	read, err := ParseEvent(r[0].body)
	if err != nil {
		t.Fatal(err)
	}
	var device Device
	if err := json.Unmarshal(read.Data, &device); err != nil {
		t.Fatal(err)
	}
	at := read.Time.In(time.FixedZone("", 3600))
	made, err := NewEvent(read.ID, DeviceProvisioned, at, device)
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(r[0].body), string(out)); diff != "" {
		t.Errorf("encoded again (-want +got):\n%s", diff)
	}
	if _, err := NewEvent("1", "t", at, make(chan int)); err == nil {
		t.Error("data that can't be encoded is no error")
	}
}

func TestUnknownSurvives(t *testing.T) {
	for _, test := range []struct{ name, body, want string }{
		{"type", `{"id":"1","type":"device-abducted","data":{"z":1,"a":[2.50,null]},"time":"2026-11-23T09:00:00Z"}`, ""},
		{"fields", `{"id":"1","type":"t","tenant_id":"x","version":{"b":1,"a":2}}`, ""},
		{"fields in another case", `{"id":"1","type":"t","ID":"2","Type":3}`, ""},
		{"big numbers", `{"id":"1","type":"t","data":{"n":123456789012345678901234567890.10}}`, ""},
		{"no data, no time", `{"id":"1","type":"t"}`, ""},
		{"null data", `{"id":"1","type":"t","data":null}`, ""},
		{"data that is no object", `{"id":"1","type":"t","data":["x"]}`, ""},
		{"unreadable time", `{"id":"1","type":"t","time":"yesterday"}`, ""},
		{"time as a number", `{"id":"1","type":"t","time":1700000000}`, ""},
		{"null time", `{"id":"1","type":"t","time":null}`, ""},
		{"zero time", `{"id":"1","type":"t","time":"0001-01-01T00:00:00Z"}`, ""},
		{"time of another zone", `{"id":"1","type":"t","time":"2026-11-23T09:00:00.5+05:30"}`, ""},
		{"other order and space", ` { "time": "2026-11-23T09:00:00Z", "x": 1, "data": { "a": 1 }, "type":"t", "id":"1"} `, `{"id":"1","type":"t","data":{"a":1},"time":"2026-11-23T09:00:00Z","x":1}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, err := ParseEvent([]byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if test.want == "" {
				test.want = test.body
			}
			out, err := json.Marshal(e)
			if err != nil || string(out) != test.want {
				t.Errorf("got %s, %v; want %s", out, err, test.want)
			}
		})
	}
}

func TestTimeGivenToAnEventWithout(t *testing.T) {
	e, err := ParseEvent([]byte(`{"id":"1","type":"t","time":"yesterday"}`))
	if err != nil {
		t.Fatal(err)
	}
	e.Time = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	out, err := json.Marshal(e)
	if want := `{"id":"1","type":"t","time":"2026-11-23T09:00:00Z"}`; err != nil || string(out) != want {
		t.Errorf("got %s, %v; want %s", out, err, want)
	}
}

func TestParseEventErrors(t *testing.T) {
	for _, body := range []string{
		"", "null", "[]", `"x"`, "1", "{", "{}", `{"id":"1"}`, `{"type":"t"}`, `{"id":"","type":"t"}`,
		`{"id":1,"type":"t"}`, `{"id":"1","type":["t"]}`, `{"id":null,"type":"t"}`, `{"id":"1","type":"t"}x`,
		`{"Id":"1","Type":"t"}`, "\x00", "<html>",
	} {
		if e, err := ParseEvent([]byte(body)); !errors.Is(err, ErrNotAnEvent) {
			t.Errorf("ParseEvent(%q) = %+v, %v", body, e, err)
		}
	}
}

func TestDeviceIDAndStatus(t *testing.T) {
	for _, test := range []struct {
		typ    EventType
		data   string
		id     string
		status DeviceStatus
	}{
		{DeviceProvisioned, `{"id":"a","status":"accepted"}`, "a", StatusAccepted},
		{DeviceStatusChanged, `{"id":"a","status":"noauth"}`, "a", StatusNoAuth},
		{DeviceDecommissioned, `{"id":"a"}`, "a", ""},
		{DeviceInventoryChanged, `{"device_id":"a","tenant_id":"t","inventory":[]}`, "a", ""},
		{DeviceInventoryChanged, `{"id":"event","device_id":"a"}`, "a", ""},
		{DeviceStatusChanged, `{"id":"a","device_id":"b"}`, "a", ""},
		{"new-type", `{"device_id":"b","status":"new"}`, "b", "new"},
		{DeviceStatusChanged, `{"id":7,"status":null}`, "", ""},
		{DeviceStatusChanged, `["id"]`, "", ""},
		{DeviceStatusChanged, `null`, "", ""},
		{DeviceStatusChanged, ``, "", ""},
	} {
		e := Event{Type: test.typ, Data: json.RawMessage(test.data)}
		if id, status := e.DeviceID(), e.DeviceStatus(); id != test.id || status != test.status {
			t.Errorf("%s %s: device %q, status %q", test.typ, test.data, id, status)
		}
	}
}

func TestDeviceStatuses(t *testing.T) {
	var recorded []DeviceStatus
	for _, r := range recordings(t) {
		e, err := ParseEvent(r.body)
		if err != nil {
			t.Fatal(err)
		}
		if s := e.DeviceStatus(); s != "" && !slices.Contains(recorded, s) {
			recorded = append(recorded, s)
		}
	}
	known := DeviceStatuses()
	slices.Sort(recorded)
	slices.Sort(known)
	if diff := cmp.Diff(recorded, known); diff != "" {
		t.Errorf("statuses (-recorded +known):\n%s", diff)
	}
}

// FuzzParseEvent checks that decoding and encoding an event loses nothing, and
// that the result decodes to the same event.
func FuzzParseEvent(f *testing.F) {
	for _, r := range recordings(f) {
		f.Add(r.body)
	}
	for _, s := range []string{
		`{"id":"1","type":"t","time":"yesterday"}`, `{"id":"1","type":"t","time":null,"x":[1e999]}`,
		`{"id":"1","type":"t","data":{"a":"\u003c\u2028"},"":0}`, "{\"id\":\"\xff\",\"type\":\"t\"}",
		`{"id":"1","id":"2","type":"t"}`, `{"id":"1","type":"t","time":"0001-01-01T00:00:00Z"}`,
		`null`, `[]`, `{`, ``, `{"id":{}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := ParseEvent(body)
		if err != nil {
			if !errors.Is(err, ErrNotAnEvent) {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		out, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		var in, again map[string]json.RawMessage
		if err := errors.Join(json.Unmarshal(body, &in), json.Unmarshal(out, &again)); err != nil {
			t.Fatal(err)
		}
		names := slices.Sorted(maps.Keys(in))
		if diff := cmp.Diff(names, slices.Sorted(maps.Keys(again))); diff != "" {
			t.Errorf("%q: fields (-in +out):\n%s", body, diff)
		}
		back, err := ParseEvent(out)
		if err != nil {
			t.Fatalf("%q, written: %v", out, err)
		}
		if twice, err := json.Marshal(back); err != nil || string(twice) != string(out) {
			t.Errorf("%s, read and written: %s, %v", out, twice, err)
		}
		if e.DeviceID() != back.DeviceID() || e.DeviceStatus() != back.DeviceStatus() {
			t.Errorf("%s: another device or status", out)
		}
	})
}
