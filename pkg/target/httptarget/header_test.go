package httptarget_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
)

// echo starts an application that repeats the headers of a request in its answer.
func echo(t *testing.T, got *http.Header) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*got = r.Header.Clone()
		w.Header().Set("X-Echo", r.Header.Get("Authorization"))
		_ = json.NewEncoder(w).Encode(r.Header)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestConfiguredHeadersReplaceReceivedOnes(t *testing.T) {
	var got http.Header
	url := echo(t, &got)
	configured := http.Header{"authorization": {"Bearer topsecret"}, "X-Tenant": {"one", "two"}, "User-Agent": {"lake"}}
	app := open(t, url, httptarget.Options{Header: configured})
	configured["X-Tenant"][0] = "changed later"
	received := http.Header{"X-Tenant": {"forged"}, "User-Agent": {"Go-http-client/1.1"}, "X-Men-Signature": {"00ff"}}
	for range 2 {
		if r := app.Deliver(t.Context(), event(received)); r.Err != nil {
			t.Fatal(r.Err)
		}
		if got.Get("Authorization") != "Bearer topsecret" || strings.Join(got["X-Tenant"], " ") != "one two" ||
			strings.Join(got["User-Agent"], " ") != "lake" || got.Get("X-Men-Signature") != "00ff" {
			t.Errorf("%v", got)
		}
	}
	if received.Get("X-Tenant") != "forged" {
		t.Error("the event has changed")
	}
}

// An application that repeats a request, as many do in an error, does not reveal
// the headers where its answer is shown.
func TestConfiguredHeadersAreMaskedInAnswers(t *testing.T) {
	var got http.Header
	url := echo(t, &got)
	app := open(t, url, httptarget.Options{Answer: true, Header: http.Header{"Authorization": {"Bearer topsecret"}, "X-Plain": {"also-secret"}}})
	r := app.Deliver(t.Context(), event(http.Header{"X-Other": {"shown"}}))
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	shown := r.Answer.Header.Get("X-Echo") + string(r.Answer.Body)
	if strings.Contains(shown, "topsecret") || strings.Contains(shown, "also-secret") || !strings.Contains(shown, "shown") || !strings.Contains(shown, "***") {
		t.Error(shown)
	}
	if got.Get("Authorization") != "Bearer topsecret" {
		t.Errorf("the application got %v", got)
	}
}

func TestHeadersThatCannotBeSet(t *testing.T) {
	for _, test := range []struct{ url, name, value, want string }{
		{"3000", "Host", "evil", "belongs to the connection"},
		{"3000", "content-length", "1", "belongs to the connection"},
		{"3000", "Connection", "close", "belongs to the connection"},
		{"3000", "Transfer-Encoding", "chunked", "belongs to the connection"},
		{"3000", "Accept-Encoding", "br", "belongs to the connection"},
		{"3000", "Content-Type", "text/plain", "the event and its format determine it"},
		{"3000", "Content-Encoding", "gzip", "the event and its format determine it"},
		{"3000", "x-men-signature", "00ff", "the event and its format determine it"},
		{"3000", "Webhook-Signature", "v1,x", "the event and its format determine it"},
		{"3000", "X-Mender-Webhooks-Rebuilt", "x", "the event and its format determine it"},
		{"3000", "", "topsecret", "not the name of a header"},
		{"3000", "A B", "topsecret", "not the name of a header"},
		{"3000", "A:", "topsecret", "not the name of a header"},
		{"3000", "Ü", "topsecret", "not the name of a header"},
		{"3000", "X-A", "", "is empty"},
		{"3000", "X-A", " ", "is empty"},
		{"3000", "X-A", "topsecret\r\nX-B: 1", "control character"},
		{"3000", "X-A", "topsecret\n", "control character"},
		{"3000", "X-A", "topsecret\x00", "control character"},
		{"http://user:topsecret@127.0.0.1:3000", "authorization", "Bearer topsecret", "the URL has a user"},
	} {
		u, err := httptarget.ParseURL(test.url)
		if err != nil {
			t.Fatal(err)
		}
		_, err = httptarget.New(httptarget.Options{URL: u, Header: http.Header{test.name: {test.value}}})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%q: %q: %v, want %s", test.name, test.value, err, test.want)
		}
	}
}
