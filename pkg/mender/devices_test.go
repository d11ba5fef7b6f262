package mender

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// recordedExchanges returns the exchanges with deviceauth and inventory.
func recordedExchanges(t *testing.T) []exchange {
	t.Helper()
	raw, err := os.ReadFile("testdata/devices-api.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Exchanges []exchange }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	return file.Exchanges
}

func recordedDevices(t *testing.T) map[string]exchange {
	t.Helper()
	byName := map[string]exchange{}
	for _, x := range recordedExchanges(t) {
		byName[x.Name] = x
	}
	return byName
}

// unabbreviated returns the answer of an exchange. Of a long one, the recording has the
// length of the list and the first two devices: the others have the content of the
// first one, and ids in ascending order.
func unabbreviated(t *testing.T, x exchange) string {
	t.Helper()
	_, note, long := strings.Cut(x.Note, "body: JSON array of ")
	if !long {
		return x.Response.Body
	}
	count, list, _ := strings.Cut(note, ", the first two are ")
	n, err := strconv.Atoi(count)
	var devices []map[string]any
	if err := errors.Join(err, json.NewDecoder(strings.NewReader(list)).Decode(&devices)); err != nil { // a remark may follow
		t.Fatal(err)
	}
	for i := len(devices); i < n; i++ {
		d := maps.Clone(devices[0])
		d["id"] = fmt.Sprintf("ffff%04x-0000-4000-8000-000000000000", i)
		devices = append(devices, d)
	}
	body, err := json.Marshal(devices)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// listed has the ids and statuses of the devices in an answer.
func listed(t *testing.T, body string) []DeviceState {
	t.Helper()
	var devices []struct {
		ID         string
		Status     webhook.DeviceStatus
		Attributes []struct {
			Scope, Name string
			Value       any
		}
	}
	if err := json.Unmarshal([]byte(body), &devices); err != nil {
		t.Fatal(err)
	}
	all := []DeviceState{}
	for _, d := range devices {
		for _, a := range d.Attributes {
			if a.Scope+"/"+a.Name == "identity/status" {
				d.Status = webhook.DeviceStatus(a.Value.(string))
			}
		}
		all = append(all, DeviceState{d.ID, d.Status})
	}
	return all
}

// readDevices makes the client's call for the path of an exchange, if it has one.
func readDevices(t *testing.T, c *Client, x exchange, want []DeviceState) (got []DeviceState, known bool, err error) {
	t.Helper()
	path, _, _ := strings.Cut(x.Request.Path, "?")
	got = []DeviceState{}
	switch x.Request.Method + " " + path {
	case "POST " + inventorySearch:
		for d, err := range c.ScanDevices(t.Context(), "") {
			if err != nil {
				return nil, true, err
			}
			if got = append(got, d); len(got) == len(want) { // each page has the same answer
				break
			}
		}
	case "POST " + deviceAuth + "/devices/search":
		ids := []string{"any"}
		for _, d := range want {
			ids = append(ids, d.ID)
		}
		devices, err := c.DevicesByID(t.Context(), ids[len(ids)-max(len(want), 1):])
		for _, d := range devices {
			got = append(got, DeviceState{d.ID, d.Status})
		}
		return got, true, err
	case "GET " + deviceAuth + "/devices":
		for d, err := range c.DevicesByStatus(t.Context(), webhook.StatusAccepted) {
			if err != nil {
				return nil, true, err
			}
			if got = append(got, DeviceState{d.ID, d.Status}); len(got) == len(want) {
				break
			}
		}
	case "GET " + deviceAuth + "/devices/count":
		_, err := c.CountDevices(t.Context(), "")
		return got, true, err
	default:
		return nil, false, nil
	}
	return got, true, nil
}

// TestRecordedDeviceResponses feeds every recorded answer of deviceauth and inventory to
// the client. Answers that are too long to record are completed; see unabbreviated.
// The client has no calls for changes of devices, for the attributes in inventory, and
// for device-side requests: it only decodes their errors.
func TestRecordedDeviceResponses(t *testing.T) {
	p := newPlayer(t)
	c := testClient(t, p.URL)
	played, performed := 0, 0
	for i, x := range recordedExchanges(t) {
		t.Run(strconv.Itoa(i)+" "+x.Name, func(t *testing.T) {
			x.Response.Body = unabbreviated(t, x)
			p.play = x
			var want []DeviceState
			if x.Response.Status == http.StatusOK && strings.HasPrefix(x.Response.Body, "[") {
				want = listed(t, x.Response.Body)
			}
			got, known, err := readDevices(t, c, x, want)
			if !known {
				k := &call{op: "play", method: x.Request.Method, path: strings.SplitN(x.Request.Path, "?", 2)[0], accept: []int{200, 201, 204}}
				_, err = c.do(t.Context(), k)
			}
			if played++; known {
				performed++
			}
			switch ascending := slices.IsSortedFunc(want, func(a, b DeviceState) int { return strings.Compare(a.ID, b.ID) }); {
			case x.Response.Status >= 300:
				checkDeviceError(t, x, err)
			case strings.Contains(x.Request.Path, "filters/search") && !ascending:
				if !errors.Is(err, ErrBadAnswer) {
					t.Errorf("unsorted, but %v", err)
				}
			case err != nil:
				t.Errorf("status %d became %v", x.Response.Status, err)
			case known && want != nil && !slices.Equal(got, want):
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
	if played != 157 || performed != 62 {
		t.Errorf("played %d exchanges, %d of them through a call of the client's own", played, performed)
	}
}

func checkDeviceError(t *testing.T, x exchange, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("status %d became %v", x.Response.Status, err)
	}
	var body answerError
	_ = json.Unmarshal([]byte(x.Response.Body), &body) // some have none
	got := []any{e.StatusCode, e.Message, e.RequestID}
	want := []any{x.Response.Status, body.Error, x.Response.Headers["X-Men-Requestid"]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-server +error):\n%s", diff)
	}
}

// TestDevicesAgainstRecordings feeds the real services' answers to the client,
// and compares its requests with the recorded ones.
func TestDevicesAgainstRecordings(t *testing.T) {
	recorded := recordedDevices(t)
	p := newPlayer(t)
	c := testClient(t, p.URL)
	ctx := t.Context()

	p.play = recorded["search, keyset, first"]
	var ids []string
	for d, err := range c.ScanDevices(ctx, "") {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, d.ID+" "+string(d.Status))
	}
	if len(ids) != 5 || ids[0] != "1c9524cd-d50f-439d-97ea-130770a24301 accepted" {
		t.Errorf("scan: %q", ids)
	}
	sameJSON(t, "scan", strings.Replace(p.play.Request.Body, `"per_page": 5`, `"per_page": 500, "filters": []`, 1), p.body)

	p.play = recorded["search, keyset, next: id $gt last"]
	const last = "862377f5-8668-4a11-8635-d03b422dffb4"
	for d, err := range c.ScanDevices(ctx, last) {
		if err != nil || d.ID <= last {
			t.Errorf("%+v, %v", d, err)
		}
	}
	sameJSON(t, "next", strings.Replace(p.play.Request.Body, `"per_page": 5`, `"per_page": 500`, 1), p.body)

	p.play = recorded["count, status=accepted"]
	if n, err := c.CountDevices(ctx, webhook.StatusAccepted); n != 5 || err != nil {
		t.Errorf("count: %d, %v", n, err)
	}
	if got := p.got.URL.RequestURI(); got != p.play.Request.Path {
		t.Errorf("count asked for %s", got)
	}

	p.play = recorded["devices, several ids"]
	wanted := []string{"1c9524cd-d50f-439d-97ea-130770a24301", "27779c40-9b51-4c91-a3f8-6144202588ae", "7a6b6a0e-0b0c-4f57-9f2a-3e4d5a6b7c8d"}
	devices, err := c.DevicesByID(ctx, wanted)
	if err != nil || len(devices) != 2 || devices[0].Status != webhook.StatusAccepted || len(devices[0].AuthSets) != 1 {
		t.Errorf("by id: %+v, %v", devices, err)
	}
	if p.got.Method != http.MethodPost || p.got.URL.RequestURI() != deviceAuth+"/devices/search?per_page=500" {
		t.Errorf("by id asked %s %s", p.got.Method, p.got.URL.RequestURI())
	}

	p.play = recorded["devices, page 2 of 3"]
	n := 0
	for d, err := range c.DevicesByStatus(ctx, webhook.StatusNoAuth) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; d.Status == webhook.StatusNoAuth && len(d.AuthSets) != 0 {
			t.Errorf("noauth with sets: %+v", d)
		}
	}
	if n != 5 {
		t.Errorf("%d devices of status", n)
	}
}

func sameJSON(t *testing.T, what, want, got string) {
	t.Helper()
	var a, b any
	if err := errors.Join(json.Unmarshal([]byte(want), &a), json.Unmarshal([]byte(got), &b)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestScanRefusesUnsortedOrUnfilteredPages scans servers that ignore the sorting or the
// filter.
func TestScanRefusesUnsortedOrUnfilteredPages(t *testing.T) {
	p := newPlayer(t)
	c := testClient(t, p.URL)
	for _, body := range []string{`[{"id":"b"},{"id":"a"}]`, `[{"id":"b"},{"id":"b"}]`, `{"id":"b"}`, `[{"id":"b","attributes":[{"name":"status","scope":"identity","value":5}]}]`} {
		p.play.Response.Status, p.play.Response.Body = 200, body
		var last error
		for _, err := range c.ScanDevices(t.Context(), "") {
			last = err
		}
		if !errors.Is(last, ErrBadAnswer) {
			t.Errorf("%s: %v", body, last)
		}
	}
}

// TestNoDeviceIDsAreNotAllDevices checks that an empty list is not sent, which the
// server would treat as all devices.
func TestNoDeviceIDsAreNotAllDevices(t *testing.T) {
	p := newPlayer(t)
	c := testClient(t, p.URL)
	if devices, err := c.DevicesByID(t.Context(), nil); len(devices) != 0 || err != nil || p.n != 0 {
		t.Errorf("%v, %v, %d requests", devices, err, p.n)
	}
	if _, err := c.DevicesByID(t.Context(), make([]string, 501)); err == nil || p.n != 0 {
		t.Errorf("501 ids: %v, %d requests", err, p.n)
	}
	p.play.Response.Status, p.play.Response.Body = 200, `[{"id":"other"}]`
	if _, err := c.DevicesByID(t.Context(), []string{"mine"}); !errors.Is(err, ErrBadAnswer) {
		t.Errorf("a device that was not asked for: %v", err)
	}
}

// TestSearchIsRetried checks that a search is retried after a gateway's error. It
// is a POST, but changes nothing.
func TestSearchIsRetried(t *testing.T) {
	n := 0
	server := newHandler(t, func(w http.ResponseWriter, _ *http.Request) {
		if n++; n < 3 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		fmt.Fprint(w, `[]`)
	})
	c := testClient(t, server)
	for _, err := range c.ScanDevices(t.Context(), "") {
		t.Error(err)
	}
	if n != 3 {
		t.Errorf("%d requests", n)
	}
}

func newHandler(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server.URL
}
