package format_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/format"
)

// sink is a target that keeps the last event.
type sink struct {
	got    *target.Event
	closed bool
}

func (s *sink) Deliver(_ context.Context, e target.Event) target.Result {
	s.got = &e
	return target.Result{Status: 202}
}

func (s *sink) String() string { return "sink" }
func (s *sink) Close() error   { s.closed = true; return nil }

// event returns an event with the headers of a signed delivery.
func event(body string) target.Event {
	var fields struct{ ID, Type string }
	_ = json.Unmarshal([]byte(body), &fields)
	return target.Event{ID: fields.ID, Type: fields.Type, Body: []byte(body), Header: http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"Go-http-client/1.1"}, "X-Men-Algorithm": {"MEN-HMAC-SHA256-Payload"},
		"X-Men-Signature": {"462d"}, "X-Men-Signature-Payload": {"462d"}, "X-Mender-Webhooks-Rebuilt": {"from-log"},
		"webhook-signature": {"v1,forged"}, "Webhook-Id": {"forged"}, "Webhook-Timestamp": {"1"},
	}}
}

// deliver sends an event in a format, and returns what arrived. The event must not
// change.
func deliver(t *testing.T, to target.Target, app *sink, body string) (target.Result, *target.Event) {
	t.Helper()
	app.got = nil
	e := event(body)
	r := to.Deliver(t.Context(), e)
	if diff := cmp.Diff(event(body), e); diff != "" {
		t.Errorf("the original event has changed: %s", diff)
	}
	return r, app.got
}

func TestCloudEvents(t *testing.T) {
	t.Parallel()
	var app sink
	to := format.CloudEvents(&app, format.Source("acme"))
	for body, want := range map[string]string{
		`{"id":"e-1","type":"device-status-changed","data":{"id":"d-1","status":"rejected"},"time":"2026-11-23T09:54:34.681633473Z"}`: `{"specversion":"1.0","id":"e-1","source":"/mender/acme","type":"io.mender.device-status-changed","subject":"d-1","time":"2026-11-23T09:54:34.681633473Z","datacontenttype":"application/json","data":{"id":"d-1","status":"rejected"}}`,
		// Inventory events name the device differently.
		`{"id":"e-1","type":"device-inventory-changed","data":{"device_id":"d-2","inventory":[]}}`: `{"specversion":"1.0","id":"e-1","source":"/mender/acme","type":"io.mender.device-inventory-changed","subject":"d-2","datacontenttype":"application/json","data":{"device_id":"d-2","inventory":[]}}`,
		// A type that is not known, without a device, with a number that float64 would change, with characters that HTML escapes.
		`{"id":"e-1","type":"new-type","data": [1.10, 9007199254740993, "<&>"],"extra":1}`: `{"specversion":"1.0","id":"e-1","source":"/mender/acme","type":"io.mender.new-type","datacontenttype":"application/json","data":[1.10,9007199254740993,"<&>"]}`,
		`{"id":"e-1","type":"t","data":null,"time":"yesterday"}`:                           `{"specversion":"1.0","id":"e-1","source":"/mender/acme","type":"io.mender.t","datacontenttype":"application/json","data":null}`,
		`{"id":"e-1","type":"t","time":"2026-11-23T10:00:00+01:00"}`:                       `{"specversion":"1.0","id":"e-1","source":"/mender/acme","type":"io.mender.t","time":"2026-11-23T10:00:00+01:00"}`,
		`{"id":"e-1","type":"t","data":{"id":"d\u0007"}}`:                                  `{"specversion":"1.0","id":"e-1","source":"/mender/acme","type":"io.mender.t","datacontenttype":"application/json","data":{"id":"d\u0007"}}`,
	} {
		r, got := deliver(t, to, &app, body)
		if got == nil || r.Status != 202 {
			t.Errorf("%s: %+v", body, r)
			continue
		}
		if string(got.Body) != want {
			t.Errorf("%s\ngot  %s\nwant %s", body, got.Body, want)
		}
		header := http.Header{
			"Content-Type": {"application/cloudevents+json"}, "User-Agent": {"Go-http-client/1.1"}, "X-Mender-Webhooks-Rebuilt": {"from-log"},
			"webhook-signature": {"v1,forged"}, "Webhook-Id": {"forged"}, "Webhook-Timestamp": {"1"},
		}
		if diff := cmp.Diff(header, got.Header); diff != "" {
			t.Error(diff)
		}
	}
}

// An event that the format cannot represent will never be accepted.
func TestEventsWithoutAFormat(t *testing.T) {
	t.Parallel()
	var app sink
	key := []byte(strings.Repeat("k", 24))
	for _, test := range []struct {
		to         target.Target
		body, want string
	}{
		{format.CloudEvents(&app, "/mender"), `{"type":"topsecret"}`, "the event cannot be sent as a CloudEvent: not a Mender event"},
		{format.CloudEvents(&app, "/mender"), `{"id":"e-1"}`, "the event cannot be sent as a CloudEvent: not a Mender event"},
		{format.CloudEvents(&app, "/mender"), `topsecret`, "the event cannot be sent as a CloudEvent: not a Mender event"},
		{format.CloudEvents(&app, "/mender"), `{"id":"e\u0007","type":"t"}`, "the event cannot be sent as a CloudEvent: its id has control characters"},
		{format.CloudEvents(&app, "/mender"), `{"id":"e-1","type":"t\ufdd0"}`, "the event cannot be sent as a CloudEvent: its type has control characters"},
		{format.StandardWebhooks(&app, key), `{"id":"a.b","type":"t"}`, "the event cannot be sent as a standard webhook: its id must consist of visible ASCII characters other than the full stop"},
		{format.StandardWebhooks(&app, key), `{"id":"a\r\nX-Evil: 1","type":"t"}`, "the event cannot be sent as a standard webhook: its id must consist of visible ASCII characters other than the full stop"},
		{format.StandardWebhooks(&app, key), `{"id":"ü","type":"t"}`, "the event cannot be sent as a standard webhook: its id must consist of visible ASCII characters other than the full stop"},
		{format.StandardWebhooks(&app, key), `{"type":"t"}`, "the event cannot be sent as a standard webhook: its id must consist of visible ASCII characters other than the full stop"},
	} {
		r, got := deliver(t, test.to, &app, test.body)
		if got != nil || !r.Permanent || r.Err == nil || r.Err.Error() != test.want {
			t.Errorf("%s: %+v, want %s", test.body, r, test.want)
		}
	}
}

func TestStandardWebhooks(t *testing.T) {
	t.Parallel()
	var app sink
	to := format.StandardWebhooks(&app, []byte(strings.Repeat("k", 24)))
	const body = "{ \"id\":\"e-1\", \"type\":\"t\" }\n"
	r, got := deliver(t, to, &app, body)
	if r.Status != 202 || string(got.Body) != body {
		t.Errorf("%+v, %s", r, got.Body)
	}
	id, timestamp, signature := got.Header.Get("webhook-id"), got.Header.Get("webhook-timestamp"), got.Header.Get("webhook-signature")
	if id != "e-1" || len(timestamp) != 10 || !strings.HasPrefix(signature, "v1,") {
		t.Errorf("%q, %q, %q", id, timestamp, signature)
	}
	want := http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"Go-http-client/1.1"}, "X-Mender-Webhooks-Rebuilt": {"from-log"},
		"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": {signature},
	}
	if diff := cmp.Diff(want, got.Header); diff != "" {
		t.Errorf("Mender's signature or a received one is sent: %s", diff)
	}
	if err := to.Close(); err != nil || !app.closed || to.String() != "sink" {
		t.Errorf("%v, closed %t, %s", err, app.closed, to)
	}
}

// The example of the specification's own libraries.
func TestPublishedSignature(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key, err := format.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(time.Unix(1614265330, 0))) // on the clock of this test
		var app sink
		e := target.Event{ID: "msg_p5jXN8AQM9LWM0D4loKWxJek", Body: []byte(`{"test": 2432232314}`)}
		format.StandardWebhooks(&app, key).Deliver(t.Context(), e)
		if got := app.got.Header.Get("webhook-signature"); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
			t.Error(got)
		}
	})
}

// A receiver refuses an old timestamp, so each attempt has a new one.
func TestEachAttemptIsSignedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var app sink
		to := format.StandardWebhooks(&app, []byte(strings.Repeat("k", 24)))
		_, first := deliver(t, to, &app, `{"id":"e-1","type":"t"}`)
		time.Sleep(time.Hour) // on the clock of this test
		_, second := deliver(t, to, &app, `{"id":"e-1","type":"t"}`)
		from, _ := strconv.Atoi(first.Header.Get("webhook-timestamp"))
		until, _ := strconv.Atoi(second.Header.Get("webhook-timestamp"))
		if until-from != 3600 || first.Header.Get("webhook-signature") == second.Header.Get("webhook-signature") ||
			first.Header.Get("webhook-id") != second.Header.Get("webhook-id") {
			t.Errorf("%v, then %v", first.Header, second.Header)
		}
	})
}

func TestSource(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{"": "/mender", "acme": "/mender/acme", "a b/ü": "/mender/a%20b%2F%C3%BC"} {
		if got := format.Source(endpoint); got != want {
			t.Errorf("%q: %s", endpoint, got)
		}
	}
}

func TestParseSecret(t *testing.T) {
	t.Parallel()
	encode := func(n int) string { return base64.StdEncoding.EncodeToString([]byte(strings.Repeat("s", n))) }
	for _, n := range []int{24, 32, 64} {
		for _, end := range []string{"", "\n", "\r\n"} {
			if key, err := format.ParseSecret("whsec_" + encode(n) + end); err != nil || string(key) != strings.Repeat("s", n) {
				t.Errorf("%d bytes: %q, %v", n, key, err)
			}
		}
	}
	for text, want := range map[string]string{
		"":                          "does not begin with whsec_",
		encode(24):                  "does not begin with whsec_",
		"WHSEC_" + encode(24):       "does not begin with whsec_",
		" whsec_" + encode(24):      "does not begin with whsec_",
		"whsk_" + encode(64):        "does not begin with whsec_",
		"whsec_":                    "has 0 bytes: must be at least 24 and at most 64",
		"whsec_" + encode(23):       "has 23 bytes",
		"whsec_" + encode(65):       "has 65 bytes",
		"whsec_" + encode(24) + " ": "is not padded base64",
		"whsec_" + encode(24)[:8] + "\n" + encode(24)[8:]:       "is not padded base64",
		"whsec_" + strings.TrimRight(encode(25), "="):           "is not padded base64",
		"whsec_" + strings.Replace(encode(25), "w==", "x==", 1): "is not padded base64", // trailing bits
		"whsec_" + strings.Repeat("c3-_", 8):                    "is not padded base64",
		"whsec_deadbeef!":                                       "is not padded base64",
	} {
		key, err := format.ParseSecret(text)
		if err == nil || key != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v, want %s", text, key, err, want)
		} else if secret := strings.TrimPrefix(strings.TrimSpace(text), "whsec_"); secret != "" && strings.Contains(err.Error(), secret) {
			t.Errorf("the error quotes the secret: %v", err)
		}
	}
}
