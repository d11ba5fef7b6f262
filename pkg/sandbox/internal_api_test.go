package sandbox

import (
	"strings"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func TestInternalAPI(t *testing.T) {
	c, hook := start(t, Options{Scopes: true}), startHook(t)
	c.webhook(hook.URL)
	tests := []struct {
		name, method, path, body string
		status                   int
		message                  string
		delivered                string
	}{
		{"alive", "GET", "/alive", "", 204, "", ""},
		{"health", "GET", "/health", "", 204, "", ""},
		{"device without id", "POST", "/tenants//devices", `{}`, 400, "missing device ID", ""},
		{"device that is none", "POST", "/tenants//devices", `{"id":`, 400, malformed + "unexpected EOF", ""},
		{"old name of the id", "POST", "/tenants//devices", `{"device_id":"old"}`, 202, "", `{"id":"old"}`},
		{
			"identity as Go encodes it", "POST", "/tenants/" + enterpriseTenant + "/devices",
			`{"id":"d","auth_sets":[{"identity_data":{"z":"<&>","n":12345678901234567890,"a":null}},{}],"created_ts":"2026-01-02T03:04:05.60+02:00"}`, 202, "",
			`{"id":"d","auth_sets":[{"id":"","device_id":"","identity_data":{"a":null,"n":12345678901234567000,"z":"\u003c\u0026\u003e"},"pubkey":"","status":""},` +
				`{"id":"","device_id":"","identity_data":null,"pubkey":"","status":""}],"created_ts":"2026-01-02T03:04:05.6+02:00"}`,
		},
		{"another tenant", "DELETE", "/tenants/other/devices/d", "", 202, "", ""},
		{"gone", "DELETE", "/tenants//devices/d", "", 202, "", `{"id":"d"}`},
		{"no list", "PUT", "/tenants//bulk/devices/status/accepted", `{}`, 400, "invalid request body: json: cannot unmarshal object into Go value of type []struct { DeviceID string \"json:\\\"id\\\"\" }", ""},
		{"empty list", "PUT", "/tenants//bulk/devices/status/accepted", `[]`, 202, "", ""},
		{"too many", "PUT", "/tenants//bulk/devices/status/accepted", `[{"id":"a"}` + strings.Repeat(`,{"id":"a"}`, 100) + `]`, 400, "too many bulk items: max 100 items per request", ""},
		{"status of one", "PUT", "/tenants//bulk/devices/status/pending", `[{"id":"a"}]`, 202, "", `{"id":"a","status":"pending"}`},
		{"tenant without id", "DELETE", "/tenants/", "", 500, "tenant id is empty", ""},
		{"another tenant's end", "DELETE", "/tenants/other", "", 204, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(hook.received())
			c.do(tt.method, inside+tt.path, tt.body).expect(t, tt.status, tt.message)
			c.settle()
			var got string
			for _, e := range hook.received()[before:] {
				got += string(e.Data)
			}
			if got != tt.delivered {
				t.Errorf("delivered %s, want %s", got, tt.delivered)
			}
		})
	}
	if got := c.events(""); len(got) != 4 {
		t.Errorf("%d events in the log, want 4", len(got))
	}
	c.do("DELETE", inside+"/tenants/"+enterpriseTenant, "").expect(t, 204, "")
	if got := c.as(c.token, "GET", iot+"/events", "").body + c.as(c.token, "GET", iot+"/integrations", "").body; got != "[][]" {
		t.Errorf("after the tenant is deleted: %s", got)
	}
}

func TestLogKeepsWhatADatabaseKeeps(t *testing.T) {
	c, hook := start(t, Options{}), startHook(t)
	c.webhook(hook.URL)
	c.do("POST", inside+"/tenants//devices", `{"status":"accepted","id":"d","created_ts":"2026-01-02T03:04:05.6789+02:00",`+
		`"auth_sets":[{"ts":"2026-01-02T03:04:05.9999Z","id":"s"}]}`).expect(t, 202, "")
	c.settle()
	const want = `{"auth_sets":[{"device_id":"","id":"s","identity_data":null,"pubkey":"","status":"","ts":"2026-01-02T03:04:05.999Z"}],` +
		`"created_ts":"2026-01-02T01:04:05.678Z","id":"d","status":"accepted"}`
	if got := string(c.events("")[0].Data); got != want {
		t.Errorf("logged %s\nwant   %s", got, want)
	}
	const sent = `"created_ts":"2026-01-02T03:04:05.6789+02:00"`
	if got := string(hook.received()[0].Data); !strings.Contains(got, sent) {
		t.Errorf("delivered %s, want %s in it", got, sent)
	}
}

func TestDevicesInGo(t *testing.T) {
	c := start(t, Options{})
	if err := c.box.Provision(webhook.Device{}); err == nil || !strings.Contains(err.Error(), "missing device ID") {
		t.Errorf("device without id: %v", err)
	}
	if err := c.box.SetStatus(ids(1), "nonsense"); err == nil || !strings.Contains(err.Error(), "invalid status 'nonsense'") {
		t.Errorf("unknown status: %v", err)
	}
	if err := c.box.SetStatus(ids(101), webhook.StatusAccepted); err == nil || !strings.Contains(err.Error(), "max 100") {
		t.Errorf("101 devices: %v", err)
	}
}

func TestDeviceState(t *testing.T) {
	c := start(t, Options{})
	if err := c.box.Provision(webhook.Device{ID: "d"}); err != nil {
		t.Fatal(err)
	}
	const id = "7a6b6a0e-0b0c-4f57-9f2a-3e4d5a6b7c8d"
	get := func(method, path, body string) answer { return c.as(c.token, method, iot+"/devices/"+path, body) }
	if a := get("GET", "d/state", ""); a.status != 200 || a.body != "{}" {
		t.Errorf("states: %d %s", a.status, a.body)
	}
	get("GET", "other/state", "").expect(t, 404, "device not found")
	get("GET", "d/state/foo", "").expect(t, 400, "integration ID is not a valid UUID")
	get("GET", "d/state/"+id, "").expect(t, 404, "integration not found")
	get("PUT", "d/state/"+id, `{"desired":5}`).expect(t, 400, malformed+"json: cannot unmarshal number into Go struct field DeviceState.desired of type map[string]interface {}")
	get("PUT", "d/state/"+id, `{"desired":{}}`).expect(t, 500, "failed to retrieve the device: store: object not found")
	get("DELETE", "d", "").expect(t, 204, "")
	get("DELETE", "d", "").expect(t, 404, "device not found")
}

func TestGateway(t *testing.T) {
	c := start(t, Options{})
	for _, path := range []string{"/", "/ui/", "/api/management/v1/deployments/artifacts", "/api/management/v1/iot-manager"} {
		a := c.as(c.token, "GET", path, "")
		if a.status != 404 || a.body != "404 page not found\n" || a.header.Get(headerRequestID) != "" {
			t.Errorf("%s: %d %q %v", path, a.status, a.body, a.header)
		}
	}
	a := c.do("GET", iot+"/nothing", "", "Authorization", "Bearer "+c.token, "X-MEN-RequestID", "mine")
	if a.header.Get("X-MEN-RequestID") != "mine" || a.body != `{"error":"not found","request_id":"mine"}` {
		t.Errorf("request id: %v %s", a.header, a.body)
	}
	if a := c.as(c.token, "PUT", iot+"/devices/d/state", ""); a.status != 405 || a.header.Get("Allow") != "GET" {
		t.Errorf("method: %d, Allow %q", a.status, a.header.Get("Allow"))
	}
}
