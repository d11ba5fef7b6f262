package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// otherInstallation is the first exchange with a second server, of 2,500
// devices, whose answers the recording abbreviates.
const otherInstallation = "scan devauth, page 1"

// TestReplayDevices replays the recorded exchanges with deviceauth and inventory.
// It adds the steps that the recording leaves out: devices created between two
// exchanges, and services that were stopped. It does not compare the tokens of
// devices, the activity log between recorded changes, answers that were too long
// to record, and the order of a device's attributes, which depends on the order of
// the workflows.
func TestReplayDevices(t *testing.T) {
	var recorded struct{ Exchanges []exchange }
	load(t, "devices-api.json", &recorded)
	c := start(t, Options{})
	p := &devicePlayer{player: newPlayer(t, c, "127.0.0.1:23099", recorded.Exchanges), all: recorded.Exchanges}
	clear(p.literal) // requests refer to ids from earlier answers
	for i, e := range recorded.Exchanges {
		if e.Name == otherInstallation {
			break
		}
		p.prepare(i, e)
		p.playDevice(i, e)
	}
}

type devicePlayer struct {
	*player
	all   []exchange
	token string // of the device
}

// prepare repeats the steps that were taken between two recorded exchanges.
func (p *devicePlayer) prepare(i int, e exchange) {
	box := p.c.box
	switch e.Name {
	case "device: first authentication, preauthorized":
		p.insert(p.find("device, preauthorized and connected"), webhook.StatusPreauthorized)
	case "devices, no filter":
		p.insertAll(e.Response.Body, p.find("search, per_page 0").Response.Body)
	case "slow receiver: accept":
		p.insert(p.find("device, accepted while the receiver was slow"), webhook.StatusPending)
		for id, set := range map[string]string{
			"e9488c41-e381-441d-a2f7-f1d15845db63": "c0cd03b6-3ad5-4070-8643-27650bddd4f4",
			"69ea05ee-794b-4f90-9077-42b27e33e407": "",
		} {
			box.enroll(id, nil, webhook.StatusPending)
			box.registry.devices[id].Sets[0].ID = set
		}
	case "accept beyond the limit":
		p.insert(p.find("device, accepted while workflows was down"), webhook.StatusPending)
		box.mu.Lock()
		box.registry.limit = box.registry.accepted()
		box.mu.Unlock()
	case "workflows down: accept":
		box.mu.Lock()
		box.registry.limit = 0
		box.mu.Unlock()
		box.SetServiceDown("workflows", true)
		p.insert(p.find("device, decommissioning"), webhook.StatusPending)
	case "workflows up: accept again":
		box.SetServiceDown("workflows", false)
	case "inventory device, its identity never came":
		box.mu.Lock()
		p.ids["2671be99-c313-4936-b973-912014761e49"] = box.registry.identity(map[string]any{"mac": "02:00:00:00:02:77"}).ID
		p.back[p.ids["2671be99-c313-4936-b973-912014761e49"]] = "2671be99-c313-4936-b973-912014761e49"
		box.mu.Unlock()
	case "inventory down: reject":
		p.insert(p.find("device, rejected while inventory was down"), webhook.StatusPending)
		box.SetServiceDown("inventory", true)
	case "device, rejected while inventory was down":
		box.SetServiceDown("inventory", false)
	case "iot-manager down: reject":
		p.insert(p.find("device, rejected while iot-manager was down"), webhook.StatusPending)
		box.SetServiceDown("events", true)
	case "device, rejected while iot-manager was down":
		box.SetServiceDown("events", false)
	}
}

func (p *devicePlayer) find(name string) exchange {
	p.t.Helper()
	i := slices.IndexFunc(p.all, func(e exchange) bool { return e.Name == name })
	if i < 0 {
		p.t.Fatalf("no exchange %q", name)
	}
	return p.all[i]
}

// insert adds the device of a recorded answer, in an earlier status.
func (p *devicePlayer) insert(e exchange, status webhook.DeviceStatus) {
	p.t.Helper()
	var d device
	if err := json.Unmarshal([]byte(e.Response.Body), &d); err != nil {
		p.t.Fatal(err)
	}
	d.CheckIn, d.Decommissioning, d.Status = nil, false, status
	d.provisioned = false
	for _, a := range d.Sets {
		a.Status = status
	}
	box := p.c.box
	box.mu.Lock()
	defer box.mu.Unlock()
	box.registry.devices[d.ID] = &d
	box.index(&d)
}

// insertAll adds the devices of a list, in inventory's order.
func (p *devicePlayer) insertAll(list, inventory string) {
	p.t.Helper()
	var devices []*device
	var ordered []inventoryDevice
	if err := json.Unmarshal([]byte(list), &devices); err != nil {
		p.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(inventory), &ordered); err != nil {
		p.t.Fatal(err)
	}
	box := p.c.box
	box.mu.Lock()
	defer box.mu.Unlock()
	for _, o := range ordered {
		i := slices.IndexFunc(devices, func(d *device) bool { return d.ID == o.ID })
		if mapped := p.ids[o.ID]; mapped != "" {
			box.registry.remove(mapped) // ids have an order, so they must be the recorded ones
			for _, id := range []string{o.ID, devices[i].Sets[0].ID} {
				delete(p.back, p.ids[id])
				delete(p.ids, id)
			}
		}
		d := devices[i]
		d.provisioned = true
		box.registry.devices[d.ID] = d
		box.index(d)
		if o.Updated != nil {
			in := box.registry.inventory[d.ID]
			in.put("system", "check_in_time", *o.Updated)
			in.put("inventory", "device_type", "qemu")
			in.put("inventory", "mem", float64(128))
			in.put("system", "updated_ts", *o.Updated)
			in.Updated = o.Updated
		}
	}
}

func (p *devicePlayer) playDevice(i int, e exchange) {
	p.t.Helper()
	name := fmt.Sprintf("%d %s", i, e.Name)
	var headers []string
	for key, value := range e.Request.Headers {
		headers = append(headers, key, strings.Replace(value, "<token>", p.session, 1))
	}
	if strings.HasPrefix(e.Request.Path, "/api/devices/v1/inventory") {
		headers = []string{"Authorization", "Bearer " + p.token, "Content-Type", "application/json"}
	}
	got := p.c.do(e.Request.Method, p.ours(e.Request.Path), p.ours(p.body(e.Request.Body)), headers...)
	if got.status != e.Response.Status {
		p.t.Errorf("%s: got %d %s, want %d %s", name, got.status, got.body, e.Response.Status, e.Response.Body)
		return
	}
	for _, key := range []string{"Content-Type", "Link", "X-Total-Count", "Location", "Www-Authenticate", "Allow"} {
		want, ours := e.Response.Headers[key], got.header.Get(key)
		if !p.same(want, ours) {
			p.t.Errorf("%s: header %s: %q, want %q", name, key, ours, want)
		}
	}
	if _, tagged := e.Response.Headers["Etag"]; tagged != (got.header.Get("Etag") != "") {
		p.t.Errorf("%s: ETag %q", name, got.header.Get("Etag"))
	}
	switch {
	case e.Name == "login":
		p.session = got.body
	case e.Response.Headers["Content-Type"] == "application/jwt":
		p.token = got.body
	case strings.HasPrefix(e.Name, "activity log"), strings.HasPrefix(e.Response.Body, "<"):
	case !p.same(orderless(e.Response.Body), orderless(got.body)):
		p.t.Errorf("%s: body differs:\n got %s\nwant %s", name, got.body, e.Response.Body)
	}
}

// orderless returns an answer of inventory with sorted attributes.
func orderless(body string) string {
	var names []map[string]any
	if json.Unmarshal([]byte(body), &names) == nil && len(names) > 0 && names[0]["count"] != nil {
		slices.SortFunc(names, func(a, b map[string]any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		return fmt.Sprint(names)
	}
	var list []inventoryDevice
	single := json.Unmarshal([]byte("["+body+"]"), &list) == nil && strings.HasPrefix(body, "{")
	if !single && json.Unmarshal([]byte(body), &list) != nil || !strings.Contains(body, `"attributes"`) {
		return body
	}
	for i := range list {
		slices.SortFunc(list[i].Attributes, func(a, b attribute) int { return strings.Compare(a.Scope+a.Name, b.Scope+b.Name) })
		list[i].Identities = nil // in the order of their arrival
	}
	out, _ := json.Marshal(list)
	return string(out)
}

// TestScansOfManyDevices compares pages and counts with those recorded from a
// server of 2,500 devices.
func TestScansOfManyDevices(t *testing.T) {
	var recorded struct{ Exchanges []exchange }
	load(t, "devices-api.json", &recorded)
	c := start(t, Options{})
	for i := range 2500 {
		id := fmt.Sprintf("%08x-0000-4000-8000-000000000000", i*1717986)
		c.box.enroll(id, map[string]any{"mac": fmt.Sprint(i)}, webhook.DeviceStatuses()[i%5])
	}
	token := c.token
	last := ""
	for i, e := range recorded.Exchanges {
		scan := strings.HasPrefix(e.Name, "scan ")
		if !scan && e.Name != "devices, method not allowed" && e.Name != "devauth, unknown route" {
			continue
		}
		body := e.Request.Body
		if old := uuids.FindString(body); old != "" {
			body = strings.Replace(body, old, last, 1)
		}
		got := c.as(token, e.Request.Method, e.Request.Path, body)
		if got.status != e.Response.Status {
			t.Errorf("%d %s: %d %s, want %d", i, e.Name, got.status, got.body, e.Response.Status)
		}
		for _, key := range []string{"Link", "X-Total-Count", "Allow"} {
			if got.header.Get(key) != e.Response.Headers[key] {
				t.Errorf("%d %s: %s is %q, want %q", i, e.Name, key, got.header.Get(key), e.Response.Headers[key])
			}
		}
		if ids := uuids.FindAllString(got.body, -1); strings.HasPrefix(e.Name, "scan keyset") && len(ids) > 0 {
			last = ids[len(ids)-1]
		}
	}
}

// TestActionsCauseTheRecordedEvents makes each change of a device, and compares
// the resulting events with the recording's time line.
func TestActionsCauseTheRecordedEvents(t *testing.T) {
	received := make(chan string, 10)
	c := start(t, Options{})
	token := c.token
	c.webhook(startReceiverFunc(t, func(body []byte) {
		e, err := webhook.ParseEvent(body)
		if err != nil {
			t.Error(err)
		}
		var data struct{ Status string }
		_ = json.Unmarshal(e.Data, &data)
		received <- strings.TrimSpace(string(e.Type) + " " + data.Status)
	}))

	auth := func(mac, key string) string {
		return `{"id_data":"{\"mac\":\"` + mac + `\"}","pubkey":"` + key + `"}`
	}
	const requests, devices = "/api/devices/v1/authentication/auth_requests", "/api/management/v2/devauth/devices"
	ids := func(mac string) (id, set string) {
		c.box.mu.Lock()
		defer c.box.mu.Unlock()
		d := c.box.registry.identity(map[string]any{"mac": mac})
		return d.ID, d.Sets[0].ID
	}
	put := func(mac, status string) {
		id, set := ids(mac)
		c.as(token, "PUT", devices+"/"+id+"/auth/"+set+"/status", `{"status":"`+status+`"}`)
	}
	for _, step := range []struct {
		name string
		do   func()
		want []string
	}{
		{"new", func() { c.do("POST", requests, auth("1", "k")) }, []string{"device-status-changed pending"}},
		{"accept", func() { put("1", "accepted") }, []string{"device-provisioned accepted", "device-status-changed accepted"}},
		{"check in", func() { c.do("POST", requests, auth("1", "k")) }, nil},
		{"reject", func() { put("1", "rejected") }, []string{"device-status-changed rejected"}},
		{"accept again", func() { put("1", "accepted") }, []string{"device-status-changed accepted"}},
		{"accept what is accepted", func() { put("1", "accepted") }, nil},
		{"a second key", func() { c.do("POST", requests, auth("1", "k2")) }, nil},
		{"dismiss the accepted set", func() {
			id, set := ids("1")
			c.as(token, "DELETE", devices+"/"+id+"/auth/"+set, "")
		}, []string{"device-status-changed pending"}},
		{"dismiss the last set", func() {
			id, set := ids("1")
			c.as(token, "DELETE", devices+"/"+id+"/auth/"+set, "")
		}, []string{"device-status-changed noauth"}},
		{"decommission", func() {
			c.box.mu.Lock()
			id := c.box.registry.identity(map[string]any{"mac": "1"}).ID
			c.box.mu.Unlock()
			c.as(token, "DELETE", devices+"/"+id, "")
		}, []string{"device-decommissioned"}},
		{"preauthorize", func() { c.as(token, "POST", devices, `{"identity_data":{"mac":"2"},"pubkey":"k"}`) }, []string{"device-status-changed preauthorized"}},
		{"preauthorized device connects", func() { c.do("POST", requests, auth("2", "k")) }, []string{"device-provisioned accepted", "device-status-changed accepted"}},
		{"preauthorize another", func() { c.as(token, "POST", devices, `{"identity_data":{"mac":"3"},"pubkey":"k"}`) }, []string{"device-status-changed preauthorized"}},
		{"delete a preauthorization", func() {
			id, set := ids("3")
			c.as(token, "DELETE", devices+"/"+id+"/auth/"+set, "")
		}, []string{"device-status-changed decommissioned"}},
	} {
		step.do()
		c.settle()
		var got []string
		for len(received) > 0 {
			got = append(got, <-received)
		}
		slices.Sort(got)
		if !slices.Equal(got, step.want) {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
}

// TestLostEventsLeaveNoTrace loses every delivery, and then every event. The state
// must change anyway.
func TestLostEventsLeaveNoTrace(t *testing.T) {
	for name, o := range map[string]Options{"deliveries": {Lose: 1}, "events": {LoseEvents: 1}} {
		c := start(t, o)
		token := c.token
		c.webhook(startReceiverFunc(t, func(body []byte) { t.Errorf("%s: delivered %s", name, body) }))
		if err := c.box.Provision(webhook.Device{ID: "d1"}); err != nil {
			t.Fatal(err)
		}
		if err := c.box.SetStatus([]string{"d1"}, webhook.StatusRejected); err != nil {
			t.Fatal(err)
		}
		c.settle()
		if got := c.as(token, "GET", "/api/management/v1/iot-manager/events", ""); got.body != "[]" {
			t.Errorf("%s: the log has %s", name, got.body)
		}
		if got := c.as(token, "GET", "/api/management/v2/devauth/devices/d1", ""); !strings.Contains(got.body, `"status":"rejected"`) {
			t.Errorf("%s: the device is %s", name, got.body)
		}
	}
}

// TestInventoryDown makes inventory miss a change and answer as a gateway does.
func TestInventoryDown(t *testing.T) {
	c := start(t, Options{})
	token := c.token
	const search = "/api/management/v2/inventory/filters/search"
	if err := c.box.SetStatus([]string{"d1"}, webhook.StatusAccepted); err != nil {
		t.Fatal(err)
	}
	if got := c.do("PUT", "/api/internal/v1/sandbox/services/inventory", `{"down":true}`); got.status != 204 {
		t.Fatal(got.status, got.body)
	}
	if err := c.box.SetStatus([]string{"d1"}, webhook.StatusRejected); err != nil {
		t.Fatal(err)
	}
	if got := c.as(token, "POST", search, "{}"); got.status != 502 || got.header.Get(headerRequestID) != "" {
		t.Errorf("down: %d %s", got.status, got.body)
	}
	c.do("PUT", "/api/internal/v1/sandbox/services/inventory", `{"down":false}`)
	if got := c.as(token, "POST", search, "{}"); !strings.Contains(got.body, `"accepted"`) {
		t.Errorf("inventory did not stay behind: %s", got.body)
	}
}

// TestDevicesSurviveARestart checks that the state file has the state of both
// services.
func TestDevicesSurviveARestart(t *testing.T) {
	file := t.TempDir() + "/state"
	at := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	c := start(t, Options{StateFile: file, Now: func() time.Time { return at }})
	c.box.SetServiceDown("inventory", true)
	if err := c.box.SetStatus([]string{"d1"}, webhook.StatusRejected); err != nil {
		t.Fatal(err)
	}
	c.box.SetServiceDown("inventory", false)
	if err := c.box.SetStatus([]string{"d2"}, webhook.StatusPending); err != nil {
		t.Fatal(err)
	}
	if err := c.box.Close(); err != nil {
		t.Fatal(err)
	}
	c = start(t, Options{StateFile: file})
	token := c.token
	for _, path := range []string{"/api/management/v2/devauth/devices/d1", "/api/management/v2/devauth/devices/d2", "/api/management/v1/inventory/devices/d2"} {
		if got := c.as(token, "GET", path, ""); got.status != 200 || !strings.Contains(got.body, `"2026-11-25T10:00:00Z"`) {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if got := c.as(token, "GET", "/api/management/v1/inventory/devices/d1", ""); got.status != 404 {
		t.Errorf("inventory knows d1: %s", got.body)
	}
}

func startReceiverFunc(t *testing.T, take func(body []byte)) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		take(body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}
