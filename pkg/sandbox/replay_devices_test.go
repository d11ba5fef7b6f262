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

// TestScansOfManyDevices replays the recorded exchanges with a server of 2,500 devices.
// It adds the bodies of 500 ids, which are too long to record, and it compares only the
// pages and counts of answers, since the devices are others. Three devices were
// decommissioned between the scans.
func TestScansOfManyDevices(t *testing.T) {
	var recorded struct{ Exchanges []exchange }
	load(t, "devices-api.json", &recorded)
	first := slices.IndexFunc(recorded.Exchanges, func(e exchange) bool { return e.Name == otherInstallation })
	if len(recorded.Exchanges) != 157 || first != 137 {
		t.Fatalf("%d exchanges, the second server from %d on", len(recorded.Exchanges), first)
	}
	c := start(t, Options{})
	var all []string
	for i := range 2500 {
		id := fmt.Sprintf("%08x-0000-4000-8000-000000000000", i*1717986)
		all = append(all, id)
		c.box.enroll(id, map[string]any{"mac": fmt.Sprint(i)}, webhook.DeviceStatuses()[i%5])
	}
	pat, last := "", ""
	for i, e := range recorded.Exchanges[first:] {
		name := fmt.Sprintf("%d %s", first+i, e.Name)
		body, token := e.Request.Body, c.token
		switch e.Name {
		case "search, id $in 500":
			ids, _ := json.Marshal(all[:500])
			body = `{"per_page":500,"filters":[{"scope":"identity","attribute":"id","type":"$in","value":` + string(ids) +
				`}],"attributes":[{"scope":"identity","attribute":"status"}]}`
		case "device search, 500 ids", "device search, 500 ids, per_page not given":
			ids, _ := json.Marshal(all[:500])
			body = `{"id":` + string(ids) + `}`
		case "token create":
			for _, id := range all[:3] {
				c.as(token, "DELETE", "/api/management/v2/devauth/devices/"+id, "")
			}
			c.settle()
		}
		if strings.Contains(e.Request.Headers["Authorization"], "personal access token") {
			token = pat
		}
		if old := uuids.FindString(body); old != "" && strings.HasPrefix(e.Name, "scan keyset") {
			body = strings.Replace(body, old, last, 1)
		}
		got := c.as(token, e.Request.Method, e.Request.Path, body)
		if got.status != e.Response.Status {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, e.Response.Status)
		}
		for _, key := range []string{"Link", "X-Total-Count", "Allow", "Content-Type"} {
			if got.header.Get(key) != e.Response.Headers[key] {
				t.Errorf("%s: %s is %q, want %q", name, key, got.header.Get(key), e.Response.Headers[key])
			}
		}
		if strings.HasPrefix(e.Response.Body, `{"count"`) && got.body != e.Response.Body {
			t.Errorf("%s: %s, want %s", name, got.body, e.Response.Body)
		}
		if e.Name == "token create" {
			pat = got.body
		}
		if ids := uuids.FindAllString(got.body, -1); strings.HasPrefix(e.Name, "scan keyset") && len(ids) > 0 {
			last = ids[len(ids)-1]
		}
	}
}

// identity is a device as it authenticates, with a key of its own.
type identity struct{ Mac, SKU, Key string }

func (d identity) data() map[string]any {
	data := map[string]any{"mac": d.Mac}
	if d.SKU != "" {
		data["sku"] = d.SKU
	}
	return data
}

// actor changes devices as the recorded requests did.
type actor struct{ *client }

const deviceAPI = "/api/management/v2/devauth/devices"

func (a actor) authenticate(d identity) {
	data, _ := json.Marshal(d.data())
	body, _ := json.Marshal(map[string]string{"id_data": string(data), "pubkey": d.Key})
	a.do("POST", "/api/devices/v1/authentication/auth_requests", string(body))
}

func (a actor) preauthorize(d identity) {
	body, _ := json.Marshal(map[string]any{"identity_data": d.data(), "pubkey": d.Key})
	a.as(a.token, "POST", deviceAPI, string(body))
}

// path returns the path of a device, and of one of its authentication sets.
func (a actor) path(d identity, set int) (device, auth string) {
	a.box.mu.Lock()
	defer a.box.mu.Unlock()
	found := a.box.registry.identity(d.data())
	device = deviceAPI + "/" + found.ID
	if set < len(found.Sets) {
		auth = device + "/auth/" + found.Sets[set].ID
	}
	return device, auth
}

func (a actor) put(d identity, set int, status string) {
	_, path := a.path(d, set)
	a.as(a.token, "PUT", path+"/status", `{"status":"`+status+`"}`)
}

func (a actor) dismiss(d identity, set int) {
	_, path := a.path(d, set)
	a.as(a.token, "DELETE", path, "")
}

func (a actor) decommission(d identity) {
	path, _ := a.path(d, 0)
	a.as(a.token, "DELETE", path, "")
}

// TestActionsCauseTheRecordedDeliveries makes each change of a device that was recorded,
// and compares the deliveries. Ids and times differ, as in TestReplay, and so does the
// order of the deliveries that one action causes.
func TestActionsCauseTheRecordedDeliveries(t *testing.T) {
	var recorded struct {
		Deliveries []struct {
			recordedDelivery
			Cause string `json:"caused_by"`
		}
	}
	load(t, "devices-deliveries.json", &recorded)
	wanted := map[string][]recordedDelivery{}
	keys := map[string]string{} // by mac
	for _, d := range recorded.Deliveries {
		wanted[d.Cause] = append(wanted[d.Cause], d.recordedDelivery)
		var event struct{ Data webhook.Device }
		_ = json.Unmarshal(d.Body, &event)
		for _, set := range event.Data.AuthSets {
			var id struct{ Mac string }
			_ = json.Unmarshal(set.IdentityData, &id)
			keys[id.Mac] = set.PubKey
		}
	}
	device := func(mac, sku string) identity {
		mac = "02:00:00:00:" + mac
		return identity{mac, sku, keys[mac]}
	}
	received := make(chan receivedDelivery, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		d := receivedDelivery{r.Method, r.URL.Path, map[string]string{"Host": r.Host}, body}
		for name := range r.Header {
			d.headers[name] = r.Header.Get(name)
		}
		received <- d
	}))
	defer server.Close()
	c := start(t, Options{})
	p := newPlayer(t, c, server.Listener.Addr().String(), nil)
	c.as(c.token, "POST", iot+"/integrations", `{"provider":"webhook","credentials":{"type":"http","http":{"url":"`+server.URL+`/hook","secret":"6d656e646572"}}}`)

	a := actor{c}
	one, two, three := device("00:01", "A-100"), device("00:0a", "A-100"), device("00:0b", "A-100")
	slow, slower, slowest := device("02:03", ""), device("02:04", ""), device("02:05", "")
	down, leaving := device("02:77", ""), device("02:06", "")
	other := one
	other.Key = "another key"
	none := func() {}
	total := 0
	for _, step := range []struct {
		cause         string // as recorded; "" if the deliveries were not
		prepare, make func()
	}{
		{"new device: first authentication request", none, func() { a.authenticate(one) }},
		{"the same authentication request again", none, func() { a.authenticate(one) }},
		{"accept (first time)", none, func() { a.put(one, 0, "accepted") }},
		{"authentication of an accepted device", none, func() { a.authenticate(one) }},
		{"reject", none, func() { a.put(one, 0, "rejected") }},
		{"accept again (already provisioned)", none, func() { a.put(one, 0, "accepted") }},
		{"accept an accepted auth set", none, func() { a.put(one, 0, "accepted") }},
		{"set to pending", none, func() { a.put(one, 0, "pending") }},
		{"reject from pending", none, func() { a.put(one, 0, "rejected") }},
		{"unknown status", none, func() { a.put(one, 0, "foo") }},
		{"status preauthorized", none, func() { a.put(one, 0, "preauthorized") }},
		{"accept (before the key change)", none, func() { a.put(one, 0, "accepted") }},
		{"a second key (auth set) for an accepted device", none, func() { a.authenticate(other) }},
		{"accept the second auth set", none, func() { a.put(one, 1, "accepted") }},
		{"dismiss the accepted auth set (another, rejected, remains)", none, func() { a.dismiss(one, 1) }},
		{"dismiss the last auth set", none, func() { a.dismiss(one, 0) }},
		{"new authentication request after noauth", none, func() { a.authenticate(one) }},
		{"preauthorize", none, func() { a.preauthorize(two) }},
		{"preauthorize: conflict", none, func() { a.preauthorize(two) }},
		{"accept a preauthorized auth set", none, func() { a.put(two, 0, "accepted") }},
		{"delete the last preauthorized auth set (the device goes)", none, func() { a.dismiss(two, 0) }},
		{"preauthorize another", none, func() { a.preauthorize(three) }},
		{"a preauthorized device connects", none, func() { a.authenticate(three) }},
		{"decommission an accepted device", none, func() { a.decommission(three) }},
		{"decommission a pending device (never accepted)", none, func() { a.decommission(one) }},
		{"the decommissioned device connects again", none, func() { a.authenticate(one) }},
		{"slow receiver (12 s): accept, reject, decommission of three devices", func() {
			a.authenticate(slow)
			a.authenticate(slower)
			a.authenticate(slowest)
		}, func() {
			a.put(slow, 0, "accepted")
			a.put(slower, 0, "rejected")
			a.decommission(slowest)
		}},
		{"receiver quick again: reject", none, func() { a.put(slow, 0, "rejected") }},
		{"workflows server down: new device", func() { c.box.SetServiceDown("workflows", true) }, func() { a.authenticate(down) }},
		{"workflows server up: the new device again", func() { c.box.SetServiceDown("workflows", false) }, func() { a.authenticate(down) }},
		{"workflows server down: decommission", func() {
			a.authenticate(leaving)
			c.settle()
			c.box.SetServiceDown("workflows", true)
		}, func() { a.decommission(leaving) }},
		{"workflows server up: decommission again", func() { c.box.SetServiceDown("workflows", false) }, func() { a.decommission(leaving) }},
	} {
		step.prepare()
		c.settle()
		for len(received) > 0 {
			<-received
		}
		step.make()
		c.settle()
		var got []receivedDelivery
		for len(received) > 0 {
			got = append(got, <-received)
		}
		want := wanted[step.cause]
		if total += len(want); len(got) != len(want) {
			t.Fatalf("%s: %d deliveries, want %d", step.cause, len(got), len(want))
		}
		slices.SortFunc(want, func(x, y recordedDelivery) int { return strings.Compare(kindOf(x.Body), kindOf(y.Body)) })
		slices.SortFunc(got, func(x, y receivedDelivery) int { return strings.Compare(kindOf(x.body), kindOf(y.body)) })
		for i := range got {
			p.compareDelivery(i, want[i], got[i])
		}
	}
	if total != 26 || len(recorded.Deliveries) != 26 {
		t.Errorf("compared %d of %d deliveries", total, len(recorded.Deliveries))
	}
}

// kindOf returns the type and the status of an event.
func kindOf(body []byte) string {
	e, err := webhook.ParseEvent(body)
	if err != nil {
		return err.Error()
	}
	return string(e.Type) + " " + string(e.DeviceStatus())
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
