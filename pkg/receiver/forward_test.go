package receiver_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// maxAnswer is how much of an application's answer is returned to Mender, in
// bytes.
const maxAnswer = 64 << 10

// forwarding starts a receiver that forwards events to an application.
func forwarding(t *testing.T, application string, timeout time.Duration, s webhook.Secret) *running {
	t.Helper()
	u, err := httptarget.ParseURL(application)
	if err != nil {
		t.Fatal(err)
	}
	app, err := httptarget.New(httptarget.Options{URL: u, Answer: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Close() })
	return start(t, receiver.Options{Secrets: only(s), Accept: receiver.ForwardTo(app, timeout)}, receiver.ServerOptions{})
}

func TestForwardPassesOnTheExactRequest(t *testing.T) {
	for i, d := range recorded(t) {
		if d.SecretHex == nil || *d.SecretHex == "" {
			continue
		}
		var got http.Header
		var body []byte
		app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = r.Header.Clone()
			got.Del("Connection")
			body, _ = io.ReadAll(r.Body)
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, "thanks")
		}))
		s := secret(t, *d.SecretHex)
		r := forwarding(t, app.URL+"/app", 0, s)
		req := d.request(t, r.url, d.body)
		req.Header.Set("Cookie", "not Mender's")
		req.Header.Set("Connection", "X-Men-Whatever")
		resp, answer := r.do(req)
		app.Close()
		want := http.Header{
			"Content-Type": {"application/json"}, "User-Agent": {"Go-http-client/1.1"},
			"X-Men-Algorithm": {webhook.Algorithm}, "X-Men-Signature": {d.Headers["X-Men-Signature"]},
			"Content-Length": got["Content-Length"],
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d: headers: %s", i, diff)
		}
		if string(body) != string(d.body) || webhook.Verify(got, body, s).Verdict != webhook.Valid {
			t.Errorf("%d: the application got %q", i, body)
		}
		if resp.StatusCode != http.StatusAccepted || answer != "thanks" {
			t.Errorf("%d: answered %d %q", i, resp.StatusCode, answer)
		}
		rec := r.record()
		if rec.Forward == nil || rec.Forward.Status != 202 || rec.Forward.Error != "" ||
			rec.Forward.Attempt != 1 || rec.Forward.URL != app.URL+"/app" || rec.Status != 202 {
			t.Errorf("%d: record %+v, forward %+v", i, rec, rec.Forward)
		}
	}
}

func TestForwardAnswersWhatTheApplicationDid(t *testing.T) {
	release := make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case "/elsewhere":
			t.Error("the redirect was followed")
		case "/slow":
			_, _ = io.Copy(io.Discard, r.Body)
			<-release
		case "/broken":
			panic(http.ErrAbortHandler)
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("x", 2*maxAnswer))
		case "/unavailable":
			w.Header().Set("Retry-After", "7")
			http.Error(w, "later", http.StatusServiceUnavailable)
		}
	}))
	defer app.Close()
	defer close(release)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()

	s := secret(t, "deadbeef")
	for _, c := range []struct {
		target    string
		status    int
		appStatus int
		errorHas  string
	}{
		{app.URL + "/moved", 302, 302, ""},
		{app.URL + "/unavailable", 503, 503, ""},
		{app.URL + "/long", 200, 200, ""},
		{app.URL + "/slow", 504, 0, "did not answer within 100ms"},
		{app.URL + "/broken", 502, 0, "cannot reach the application: EOF"},
		{"http://user:topsecret@" + closed.Addr().String() + "/?token=topsecret", 502, 0, "refused"},
	} {
		t.Run(c.target, func(t *testing.T) {
			r := forwarding(t, c.target, timeoutOf(c.status), s)
			r.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			resp, body := r.do(r.post(event, s))
			rec := r.record()
			if resp.StatusCode != c.status || rec.Forward.Status != c.appStatus || rec.Status != c.status {
				t.Errorf("answered %d, forward %+v", resp.StatusCode, rec.Forward)
			}
			if (c.errorHas == "") != (rec.Forward.Error == "") || !strings.Contains(rec.Forward.Error, c.errorHas) {
				t.Errorf("forward error %q", rec.Forward.Error)
			}
			if len(body) > maxAnswer || strings.Contains(body+rec.Forward.Error+rec.Forward.URL, "topsecret") {
				t.Errorf("body %q, forward %+v", body, rec.Forward)
			}
			if c.status == 503 && resp.Header.Get("Retry-After") != "7" {
				t.Error("Retry-After was lost")
			}
		})
	}
}

func timeoutOf(status int) time.Duration {
	if status == http.StatusGatewayTimeout {
		return 100 * time.Millisecond
	}
	return 0
}
