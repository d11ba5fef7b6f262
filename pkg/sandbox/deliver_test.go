package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// hook is a receiver that accepts everything.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	events []webhook.Event
	signed int // with the secret that client.webhook sets
}

func startHook(t *testing.T) *hook {
	h := &hook{}
	secret, err := webhook.ParseSecret("deadbeef")
	if err != nil {
		t.Fatal(err)
	}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a truncated body is not an event
		e, err := webhook.ParseEvent(body)
		if err != nil {
			t.Errorf("delivery of %q: %v", body, err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.events = append(h.events, e)
		if webhook.Verify(r.Header, body, secret).Verdict == webhook.Valid {
			h.signed++
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) received() []webhook.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.events
}

func ids(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("device-%d", i)
	}
	return list
}

func TestDeliveriesRunAllAtOnce(t *testing.T) {
	const all = 200
	var together sync.WaitGroup
	together.Add(all)
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		together.Done()
		together.Wait() // no one is answered before all have arrived
	}))
	t.Cleanup(hook.Close)
	c := start(t, Options{DeliveryTimeout: 20 * time.Second})
	c.webhook(hook.URL)
	for _, half := range [][]string{ids(all)[:100], ids(all)[100:]} {
		if err := c.box.SetStatus(half, webhook.StatusRejected); err != nil {
			t.Fatal(err)
		}
	}
	c.settle()
	seen := map[string]bool{}
	for _, e := range c.events("?per_page=500") {
		if len(e.DeliveryStatuses) != 1 || !e.DeliveryStatuses[0].Success {
			t.Errorf("%+v", e.DeliveryStatuses)
		}
		seen[e.ID] = true
	}
	if len(seen) != all {
		t.Errorf("%d events in the log, want %d", len(seen), all)
	}
}

func TestNothingHappensWithoutAnIntegration(t *testing.T) {
	c := start(t, Options{})
	if err := c.box.SetStatus(ids(1), webhook.StatusAccepted); err != nil {
		t.Fatal(err)
	}
	c.settle()
	if got := c.events(""); len(got) != 0 {
		t.Errorf("logged: %+v", got)
	}
}

func TestCloseCutsDeliveriesOff(t *testing.T) {
	arrived := make(chan struct{})
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server notices the end only after the body was read
		close(arrived)
		<-r.Context().Done()
	}))
	t.Cleanup(hook.Close)
	c := start(t, Options{})
	c.webhook(hook.URL)
	if err := c.box.SetStatus(ids(1), webhook.StatusAccepted); err != nil {
		t.Fatal(err)
	}
	<-arrived
	begin := time.Now()
	if err := c.box.Close(); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(begin); d > webhook.DeliveryTimeout/2 {
		t.Errorf("Close took %v", d)
	}
	if got := c.events(""); len(got) != 0 {
		t.Errorf("logged: %+v", got)
	}
}

func TestEventsOfOneIntegration(t *testing.T) {
	c, hook := start(t, Options{}), startHook(t)
	var created []string
	for i := range 2 {
		created = append(created, c.webhook(hook.URL))
		if err := c.box.SetStatus(ids(3+i), webhook.StatusAccepted); err != nil {
			t.Fatal(err)
		}
		c.settle()
		c.as(c.token, "DELETE", iot+"/integrations/"+created[i], "").expect(t, 204, "")
	}
	for i, id := range created {
		var seen []string
		for page := 1; page <= 3; page++ {
			for _, e := range c.events(fmt.Sprintf("?per_page=2&page=%d&integration_id=%s", page, strings.ToUpper(id))) {
				if e.DeliveryStatuses[0].IntegrationID.String() != id {
					t.Errorf("of another integration: %+v", e)
				}
				seen = append(seen, e.ID)
			}
		}
		if len(seen) != 3+i {
			t.Errorf("integration %d: %d events, want %d", i, len(seen), 3+i)
		}
	}
	if got := c.events("?page=9223372036854775807&per_page=500"); len(got) != 0 {
		t.Errorf("far past the end: %+v", got)
	}
}

func TestCloudIntegrations(t *testing.T) {
	c := start(t, Options{})
	a := c.as(c.token, "POST", iot+"/integrations", `{"provider":"iot-core","credentials":{"type":"aws","aws":`+
		`{"access_key_id":"a","secret_access_key":"b","region":"c","device_policy_name":"d"}}}`)
	a.expect(t, 201, "")
	at := a.header.Get("Location")
	step := func(want string) {
		t.Helper()
		c.settle()
		got, _ := json.Marshal(c.events("?per_page=1")[0].DeliveryStatuses)
		if text := strings.ReplaceAll(string(got), at[len(iot+"/integrations/"):], "ID"); text != want {
			t.Errorf("delivery_statuses %s, want %s", text, want)
		}
	}
	if err := c.box.SetStatus([]string{"stranger"}, webhook.StatusAccepted); err != nil {
		t.Fatal(err)
	}
	step(`[{"integration_id":"ID","success":false,"error":"store: object not found"}]`)
	if err := c.box.Provision(webhook.Device{ID: "mine"}); err != nil {
		t.Fatal(err)
	}
	step(`[{"integration_id":"ID","success":true}]`)
	c.as(c.token, "DELETE", at, "").expect(t, 409, "cannot remove integration in use by devices")
	c.as(c.token, "GET", iot+"/devices/mine/state", "").expect(t, 200, "")
	c.as(c.token, "GET", iot+"/devices/stranger/state", "").expect(t, 404, "device not found")
	c.box.Decommission("mine")
	step(`[{"integration_id":"ID","success":true}]`)
	c.as(c.token, "DELETE", at, "").expect(t, 204, "")
}

func TestCredentialsOfAnotherProvider(t *testing.T) {
	c, hook := start(t, Options{}), startHook(t)
	id := c.webhook(hook.URL)
	c.as(c.token, "PUT", iot+"/integrations/"+id+"/credentials", `{"type":"aws","aws":{"access_key_id":"a","secret_access_key":"b","region":"c","device_policy_name":"d"}}`).
		expect(t, 204, "")
	c.box.Decommission("device")
	c.settle()
	if got := c.events("")[0].DeliveryStatuses[0]; got.Success || got.Error != "invalid credentials for webhooks" {
		t.Errorf("delivery: %+v", got)
	}
	if n := len(hook.received()); n != 0 {
		t.Errorf("%d deliveries to a webhook without credentials", n)
	}
}

func TestReservedAddressAtDelivery(t *testing.T) {
	hook := startHook(t)
	file := filepath.Join(t.TempDir(), "state")
	before := start(t, Options{StateFile: file})
	before.webhook(hook.URL)
	if err := before.box.Close(); err != nil {
		t.Fatal(err)
	}
	c := start(t, Options{StateFile: file, CheckAddresses: true})
	c.box.Decommission("device")
	c.settle()
	got := c.events("")[0].DeliveryStatuses[0]
	if got.Success || !strings.HasSuffix(got.Error, "destination address is in reserved address range") {
		t.Errorf("delivery: %+v", got)
	}
	if n := len(hook.received()); n != 0 {
		t.Errorf("%d deliveries to a reserved address", n)
	}
}

func TestInventoryEvents(t *testing.T) {
	for _, scopes := range []string{`["deviceauth"]`, `["inventory"]`, `["deviceauth","inventory"]`} {
		c, hook := start(t, Options{Scopes: true}), startHook(t)
		c.as(c.token, "POST", iot+"/integrations", `{"provider":"webhook","scopes":`+scopes+`,"credentials":{"type":"http","http":{"url":"`+hook.URL+`"}}}`).
			expect(t, 201, "")
		c.box.ChangeInventory("device", []webhook.InventoryAttribute{{Name: "n", Scope: "inventory", Value: json.RawMessage(`["v",1]`)}})
		c.box.Decommission("device")
		c.settle()
		types := map[webhook.EventType]bool{}
		for _, e := range hook.received() {
			types[e.Type] = true
			if e.Type == webhook.DeviceInventoryChanged && string(e.Data) != `{"device_id":"device","tenant_id":"`+enterpriseTenant+`","inventory":[{"name":"n","scope":"inventory","value":["v",1]}]}` {
				t.Errorf("inventory: %s", e.Data)
			}
		}
		if types[webhook.DeviceInventoryChanged] != strings.Contains(scopes, scopeInventory) || types[webhook.DeviceDecommissioned] != strings.Contains(scopes, scopeDeviceAuth) {
			t.Errorf("scopes %s: got events %v", scopes, types)
		}
	}
}

func TestEventsExpire(t *testing.T) {
	now := newClock()
	c, hook := start(t, Options{Now: now.now, EventTTL: time.Hour}), startHook(t)
	c.webhook(hook.URL)
	for range 3 {
		c.box.Decommission("device")
		c.settle()
		now.advance(25 * time.Minute)
	}
	if got := len(c.events("")); got != 2 {
		t.Errorf("%d events after 75 minutes, want 2", got)
	}
	now.advance(time.Hour)
	if got := len(c.events("")); got != 0 {
		t.Errorf("%d events after all have expired", got)
	}
}

func TestLogTellsNoSecrets(t *testing.T) {
	hook := startHook(t)
	var mu sync.Mutex
	var log strings.Builder
	c := start(t, Options{Logf: func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&log, format+"\n", args...)
	}})
	c.webhook(strings.Replace(hook.URL, "http://", "http://me:word@", 1) + "/x?token=hush")
	c.login("admin@example.com", "correct-horse-battery", "")
	c.box.Decommission("device")
	c.settle()
	c.as(c.token, "GET", iot+"/%1b[2J", "")
	mu.Lock()
	defer mu.Unlock()
	for _, secret := range []string{"word", "hush", "deadbeef", "correct-horse", c.token, "\x1b"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log tells %q:\n%s", secret, log.String())
		}
	}
	for _, line := range []string{"POST " + useradm + "/auth/login 200\n", "device-decommissioned to " + hook.URL + "/x: 204 in "} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("the log lacks %q:\n%s", line, log.String())
		}
	}
}

func TestLogHasTheTimeOfSaving(t *testing.T) {
	now := newClock()
	var sent webhook.Event
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a truncated body is not an event
		sent, _ = webhook.ParseEvent(body)
		now.advance(3 * time.Second)
	}))
	t.Cleanup(hook.Close)
	c := start(t, Options{Now: now.now})
	c.webhook(hook.URL)
	happened := now.now()
	c.box.Decommission("device")
	c.settle()
	if !sent.Time.Equal(happened) {
		t.Errorf("delivered with time %v, want %v", sent.Time, happened)
	}
	logged, want := c.events("")[0], happened.Add(3*time.Second).Truncate(time.Millisecond)
	if !logged.Time.Equal(want) || logged.ID != sent.ID {
		t.Errorf("logged %s with time %v, want %s with %v", logged.ID, logged.Time, sent.ID, want)
	}
}
