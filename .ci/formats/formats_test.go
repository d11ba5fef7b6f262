// Package formats checks the formats of routes with libraries that receivers use:
// the SDK of CloudEvents, and the library of Standard Webhooks.
package formats

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/format"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// recorded returns the deliveries of a real server.
func recorded(t *testing.T) []target.Event {
	t.Helper()
	text, err := os.ReadFile("../../pkg/webhook/testdata/deliveries.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Deliveries []struct {
			Headers map[string]string
			Body    []byte `json:"body_base64"`
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var events []target.Event
	for _, d := range file.Deliveries {
		parsed, err := webhook.ParseEvent(d.Body)
		if err != nil {
			continue
		}
		e := target.Event{ID: parsed.ID, Type: string(parsed.Type), Header: http.Header{}, Body: d.Body}
		for name, value := range d.Headers {
			e.Header.Set(name, value)
		}
		events = append(events, e)
	}
	if len(events) < 5 {
		t.Fatalf("only %d events", len(events))
	}
	return events
}

// post sends an event over HTTP in a format, and gives the request to a receiver.
func post(t *testing.T, e target.Event, in func(target.Target) target.Target, receive func(*http.Request)) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { receive(r) }))
	defer server.Close()
	u, err := httptarget.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	app, err := httptarget.New(httptarget.Options{URL: u})
	if err != nil {
		t.Fatal(err)
	}
	to := in(app)
	defer func() { _ = to.Close() }()
	if r := to.Deliver(t.Context(), e); r.Err != nil {
		t.Fatal(r.Err)
	}
}

func TestCloudEvents(t *testing.T) {
	in := func(next target.Target) target.Target { return format.CloudEvents(next, format.Source("acme")) }
	for _, e := range recorded(t) {
		post(t, e, in, func(r *http.Request) {
			got, err := cloudevents.NewEventFromHTTPRequest(r)
			if err != nil {
				t.Errorf("%s: %v", e.Body, err)
				return
			}
			if err := got.Validate(); err != nil {
				t.Errorf("%s: %v", e.Body, err)
			}
			want, _ := webhook.ParseEvent(e.Body)
			if got.SpecVersion() != "1.0" || got.ID() != want.ID || got.Type() != "io.mender."+string(want.Type) ||
				got.Source() != "/mender/acme" || got.Subject() != want.DeviceID() || !got.Time().Equal(want.Time) ||
				got.DataContentType() != "application/json" || len(got.Extensions()) != 0 {
				t.Errorf("%s: %s", e.Body, got)
			}
			var data, original any
			if err := got.DataAs(&data); err != nil {
				t.Error(err)
			}
			if err := json.Unmarshal(want.Data, &original); err != nil || !reflect.DeepEqual(data, original) {
				t.Errorf("%v: got %v, want %v", err, data, original)
			}
		})
	}
}

// Events that are unusual but possible are valid CloudEvents, too.
func TestUnusualCloudEvents(t *testing.T) {
	in := func(next target.Target) target.Target { return format.CloudEvents(next, format.Source("a b/ü")) }
	for _, body := range []string{
		`{"id":"e-1","type":"new-type"}`,
		`{"id":"e-1","type":"t","data":null,"time":"never"}`,
		`{"id":"e-1","type":"t","data":"text","time":"2026-11-23T10:00:00.5+05:30"}`,
		`{"id":"ü 1","type":"t ü","data":{"id":"d\u0007"},"specversion":"0.3"}`,
		`{"id":"e-1","type":"t","data":{"id":"<&> \u2028","n":123456789012345678901234567890}}`,
	} {
		post(t, target.Event{Header: http.Header{}, Body: []byte(body)}, in, func(r *http.Request) {
			got, err := cloudevents.NewEventFromHTTPRequest(r)
			if err != nil {
				t.Errorf("%s: %v", body, err)
			} else if err := got.Validate(); err != nil {
				t.Errorf("%s: %v", body, err)
			}
		})
	}
}

// The SDK does not accept everything: an event in Mender's own form is refused.
func TestRawIsNotACloudEvent(t *testing.T) {
	raw := func(next target.Target) target.Target { return next }
	post(t, recorded(t)[0], raw, func(r *http.Request) {
		if got, err := cloudevents.NewEventFromHTTPRequest(r); err == nil && got.Validate() == nil {
			t.Errorf("accepted: %s", got)
		}
	})
}

func TestStandardWebhooks(t *testing.T) {
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	key, err := format.ParseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	other, err := standardwebhooks.NewWebhook("whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("o", 32))))
	if err != nil {
		t.Fatal(err)
	}
	in := func(next target.Target) target.Target { return format.StandardWebhooks(next, key) }
	for _, e := range recorded(t) {
		post(t, e, in, func(r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || !bytes.Equal(body, e.Body) {
				t.Errorf("%v: the body has changed: %s", err, body)
			}
			if err := verifier.Verify(body, r.Header); err != nil {
				t.Errorf("%s: %v", body, err)
			}
			if r.Header.Get("webhook-id") != e.ID || r.Header.Get("X-Men-Signature") != "" {
				t.Errorf("%v", r.Header)
			}
			altered := bytes.Replace(body, []byte("device"), []byte("Device"), 1)
			if verifier.Verify(altered, r.Header) == nil {
				t.Error("an altered body is verified")
			}
			if other.Verify(body, r.Header) == nil {
				t.Error("another secret is verified")
			}
			r.Header.Set("webhook-id", "another")
			if verifier.Verify(body, r.Header) == nil {
				t.Error("another id is verified")
			}
		})
	}
}
