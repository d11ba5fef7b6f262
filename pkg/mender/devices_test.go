package mender

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func recordedDevices(t *testing.T) map[string]exchange {
	t.Helper()
	raw, err := os.ReadFile("testdata/devices-api.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Exchanges []exchange }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	byName := map[string]exchange{}
	for _, x := range file.Exchanges {
		byName[x.Name] = x
	}
	return byName
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
