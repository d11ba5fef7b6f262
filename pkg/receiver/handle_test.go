package receiver_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func TestAnswers(t *testing.T) {
	s := secret(t, "deadbeef")
	const limit = 2000
	big := `{"id":"e","type":"t","data":"` + strings.Repeat("x", limit) + `"}`
	exact := `{"id":"e","type":"t","data":"` + strings.Repeat("x", limit-len(`{"id":"e","type":"t","data":""}`)) + `"}`
	cases := []struct {
		name    string
		method  string
		path    string
		body    string
		secret  webhook.Secret
		chunked bool
		status  int
		verdict webhook.Verdict
		reason  webhook.Reason
	}{
		{"valid", "POST", "/hook", event, s, false, 204, webhook.Valid, ""},
		{"valid, chunked", "POST", "/hook", event, s, true, 204, webhook.Valid, ""},
		{"just within the limit", "POST", "/hook", exact, s, false, 204, webhook.Valid, ""},
		{"just within the limit, chunked", "POST", "/hook", exact, s, true, 204, webhook.Valid, ""},
		{"over the limit", "POST", "/hook", big, s, false, 413, webhook.Rejected, "body-too-large"},
		{"over the limit, chunked", "POST", "/hook", big, s, true, 413, webhook.Rejected, "body-too-large"},
		{"GET", "GET", "/hook", "", s, false, 405, webhook.Rejected, "method-not-allowed"},
		{"PUT", "PUT", "/hook", event, s, false, 405, webhook.Rejected, "method-not-allowed"},
		{"another path", "POST", "/hook/", event, s, false, 404, webhook.Rejected, "path-not-found"},
		{"unsigned", "POST", "/hook", event, webhook.Secret{}, false, 401, webhook.Unsigned, ""},
		{"unsigned and no event", "POST", "/hook", "x", webhook.Secret{}, false, 401, webhook.Unsigned, ""},
		{"under the empty secret", "POST", "/hook", event, webhook.EmptySecret(), false, 401, webhook.Invalid, webhook.EmptySecretUsed},
		{"signed, not JSON", "POST", "/hook", "x", s, false, 400, webhook.Rejected, "not-an-event"},
		{"signed, empty", "POST", "/hook", "", s, false, 400, webhook.Rejected, "not-an-event"},
		{"signed, an array", "POST", "/hook", "[" + event + "]", s, false, 400, webhook.Rejected, "not-an-event"},
		{"signed, no type", "POST", "/hook", `{"id":"e"}`, s, false, 400, webhook.Rejected, "not-an-event"},
		{"signed, a number for an id", "POST", "/hook", `{"id":1,"type":"t"}`, s, false, 400, webhook.Rejected, "not-an-event"},
	}
	r := start(t, receiver.Options{Secrets: only(s), Path: "/hook", MaxBody: limit}, receiver.ServerOptions{})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			req, err := webhook.NewRequest(context.Background(), r.url+c.path, []byte(c.body), c.secret)
			if err != nil {
				t.Fatal(err)
			}
			req.Method = c.method
			if c.chunked {
				req.ContentLength = -1
			}
			resp, body := r.do(req)
			rec := r.record()
			if resp.StatusCode != c.status || rec.Status != c.status || rec.Verdict != c.verdict || rec.Reason != c.reason {
				t.Errorf("answered %d; record %d %s %q; want %d %s %q",
					resp.StatusCode, rec.Status, rec.Verdict, rec.Reason, c.status, c.verdict, c.reason)
			}
			if c.status == 413 && !resp.Close {
				t.Error("the connection goes on after a body over the limit")
			}
			if c.status == 405 && resp.Header.Get("Allow") != "POST" {
				t.Errorf("Allow: %q", resp.Header.Get("Allow"))
			}
			if c.status >= 300 && !strings.HasPrefix(body, string(c.verdict)) {
				t.Errorf("the answer does not say the verdict: %q", body)
			}
			if strings.Contains(body, s.Sign([]byte(c.body))) {
				t.Errorf("the answer gives the signature away: %q", body)
			}
		})
	}
	if n := r.rc.Count(webhook.Valid); n != 4 {
		t.Errorf("%d counted as valid, want 4", n)
	}
}

func TestBothHeaderNames(t *testing.T) {
	s := secret(t, "deadbeef")
	r := start(t, receiver.Options{Secrets: only(s)}, receiver.ServerOptions{})
	req := r.post(event, webhook.Secret{})
	req.Header.Set(webhook.HeaderSignaturePayload, s.Sign([]byte(event)))
	if resp, _ := r.do(req); resp.StatusCode != 204 {
		t.Errorf("answered %d", resp.StatusCode)
	}
}

func TestRecordAsJSON(t *testing.T) {
	rec := receiver.Record{
		Kind: "received", ReceivedAt: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
		ID: "e-1", Type: "device-status-changed", Time: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC),
		Data: json.RawMessage(`{"id":"d"}`), Verdict: webhook.Valid, Secret: "0a1b2c3d",
		Status: 200, Bytes: 189, RemoteAddr: "127.0.0.1:51234",
		Forward: &receiver.Forward{URL: "http://localhost:3000", Status: 200, DurationMS: 3.1, Attempt: 1},
	}
	got, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"kind":"received","received_at":"2026-11-23T10:00:00Z","id":"e-1","type":"device-status-changed",` +
		`"time":"2026-11-23T09:00:00Z","data":{"id":"d"},"verdict":"valid","reason":"","secret":"0a1b2c3d",` +
		`"duplicate":false,"status":200,"bytes":189,"remote_addr":"127.0.0.1:51234",` +
		`"forward":{"url":"http://localhost:3000","status":200,"duration_ms":3.1,"attempt":1,"error":""}}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

// The record of a refused request is shown, but its length is limited.
func TestRecordOfARefusedRequest(t *testing.T) {
	r := start(t, receiver.Options{Secrets: only(secret(t, "deadbeef"))}, receiver.ServerOptions{})
	for _, c := range []struct {
		body   string
		id     string
		shorts bool
	}{
		{event, "e-1", true},
		{`{"id":"` + strings.Repeat("i", 1000) + `","type":"t"}`, strings.Repeat("i", 256) + "…", true},
		{`{"id":"e","type":"t","data":"` + strings.Repeat("x", 20000) + `"}`, "", false},
		{"no event", "", false},
	} {
		r.do(r.post(c.body, webhook.Secret{}))
		rec := r.record()
		if rec.ID != c.id || (rec.Type != "") != c.shorts || rec.Bytes != int64(len(c.body)) {
			t.Errorf("got id %q, type %q, %d bytes", rec.ID, rec.Type, rec.Bytes)
		}
	}
}

func TestAcceptIsAskedForCheckedEventsAlone(t *testing.T) {
	s := secret(t, "deadbeef")
	for _, c := range []struct {
		name    string
		known   []webhook.Secret
		allow   bool
		sent    webhook.Secret
		asked   bool
		status  int
		verdict webhook.Verdict
	}{
		{"valid", []webhook.Secret{s}, false, s, true, 202, webhook.Valid},
		{"invalid", []webhook.Secret{s}, true, secret(t, "00"), false, 401, webhook.Invalid},
		{"unsigned", []webhook.Secret{s}, true, webhook.Secret{}, false, 401, webhook.Unsigned},
		{"unchecked", nil, false, s, false, 204, webhook.Unchecked},
		{"unchecked, allowed", nil, true, s, true, 202, webhook.Unchecked},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got *receiver.Request
			r := start(t, receiver.Options{
				Secrets: only(c.known...), AllowUnchecked: c.allow,
				Accept: func(_ context.Context, req *receiver.Request) receiver.Answer {
					got = req
					return receiver.Answer{Status: 202, Duplicate: true, Body: []byte("taken")}
				},
			}, receiver.ServerOptions{})
			resp, body := r.do(r.post(event, c.sent))
			rec := r.record()
			if (got != nil) != c.asked || resp.StatusCode != c.status || rec.Verdict != c.verdict || rec.Duplicate != c.asked {
				t.Fatalf("asked %v, answered %d, record %+v", got != nil, resp.StatusCode, rec)
			}
			if c.asked && (string(got.Body) != event || got.ID != "e-1" ||
				got.Type != webhook.DeviceStatusChanged || body != "taken") {
				t.Errorf("Accept was given %+v; the answer was %q", got, body)
			}
		})
	}
}

func TestDuplicates(t *testing.T) {
	r := start(t, receiver.Options{Remember: 2}, receiver.ServerOptions{})
	var got []bool
	for _, id := range []string{"a", "a", "b", "c", "a", "c"} {
		r.do(r.post(`{"id":"`+id+`","type":"t"}`, webhook.Secret{}))
		got = append(got, r.record().Duplicate)
	}
	// The third a comes after b and c have displaced the first.
	if diff := cmp.Diff([]bool{false, true, false, false, false, true}, got); diff != "" {
		t.Error(diff)
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	for _, o := range []receiver.Options{
		{Path: "hook"}, {MaxBody: -1}, {Respond: 99}, {Respond: 600}, {Delay: -1}, {FailRate: 1.1}, {FailRate: -1}, {Remember: -1},
	} {
		if _, err := receiver.New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestFaults(t *testing.T) {
	s := secret(t, "deadbeef")
	accepted := func(status int) func(context.Context, *receiver.Request) receiver.Answer {
		return func(context.Context, *receiver.Request) receiver.Answer { return receiver.Answer{Status: status} }
	}
	for _, c := range []struct {
		name   string
		o      receiver.Options
		sent   webhook.Secret
		status int
	}{
		{"respond 503", receiver.Options{Respond: 503}, s, 503},
		{"respond 503 in the place of accept", receiver.Options{Respond: 503, Accept: accepted(200)}, s, 503},
		{"respond 201 in the place of 204", receiver.Options{Respond: 201, Accept: accepted(204)}, s, 201},
		{"respond 201 hides no failure", receiver.Options{Respond: 201, Accept: accepted(502)}, s, 502},
		{"always fail", receiver.Options{FailRate: 1, Accept: accepted(200)}, s, 500},
		{"always fail with 429", receiver.Options{FailRate: 1, Respond: 429}, s, 429},
		{"a refused one stays refused", receiver.Options{Respond: 201}, secret(t, "00"), 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Secrets = only(s)
			r := start(t, c.o, receiver.ServerOptions{})
			if resp, _ := r.do(r.post(event, c.sent)); resp.StatusCode != c.status {
				t.Errorf("answered %d, want %d", resp.StatusCode, c.status)
			}
		})
	}
}

func TestFailRate(t *testing.T) {
	r := start(t, receiver.Options{FailRate: 0.5}, receiver.ServerOptions{})
	got := map[int]int{}
	for range 200 {
		resp, _ := r.do(r.post(event, webhook.Secret{}))
		got[resp.StatusCode]++
	}
	if got[500] < 50 || got[204] < 50 || got[500]+got[204] != 200 {
		t.Errorf("answers: %v", got) // 1 in 10^12 by chance
	}
}

func TestDelay(t *testing.T) {
	r := start(t, receiver.Options{Delay: 80 * time.Millisecond}, receiver.ServerOptions{WriteTimeout: 20 * time.Millisecond})
	begin := time.Now()
	resp, _ := r.do(r.post(event, webhook.Secret{}))
	if took := time.Since(begin); took < 80*time.Millisecond || resp.StatusCode != 204 {
		t.Errorf("answered %d after %s", resp.StatusCode, took)
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	long := start(t, receiver.Options{Delay: time.Hour, AllowUnchecked: true, Accept: func(context.Context, *receiver.Request) receiver.Answer {
		cancel() // the event was received; now the sender disconnects
		return receiver.Answer{}
	}}, receiver.ServerOptions{})
	if _, err := long.client.Do(long.post(event, webhook.Secret{}).WithContext(ctx)); err == nil {
		t.Error("the receiver answered")
	}
	long.record() // the sender is gone, so the hour is not waited for
}

func TestUnknownStatusFromAccept(t *testing.T) {
	r := start(t, receiver.Options{AllowUnchecked: true, Accept: func(context.Context, *receiver.Request) receiver.Answer {
		return receiver.Answer{Status: 1234}
	}}, receiver.ServerOptions{})
	if resp, _ := r.do(r.post(event, webhook.Secret{})); resp.StatusCode != http.StatusInternalServerError {
		t.Errorf("answered %d", resp.StatusCode)
	}
}
