package receiver_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// FuzzHandler sends arbitrary requests. The receiver must never panic, accept an
// unsigned or wrongly signed request, or reveal the right signature.
func FuzzHandler(f *testing.F) {
	s := secret(f, "deadbeef")
	for _, d := range recorded(f) {
		f.Add(d.Method, "/hook", d.Headers[webhook.HeaderAlgorithm], d.Headers[webhook.HeaderSignature], d.body, false)
	}
	f.Add("GET", "/", "", "", []byte(nil), false)
	f.Add("POST", "/hook", webhook.Algorithm, strings.Repeat("z", 64), []byte("{"), true)
	f.Add("POST", "/hook", "MD5", s.Sign([]byte(event)), []byte(event), true)
	f.Add("POST", "/%2e%2e", "", s.Sign([]byte("null")), []byte("null"), false)
	f.Add("POST", "/hook", "", s.Sign([]byte(`{"\u0069d":"a","type":"b"}`)), []byte(`{"\u0069d":"a","type":"b"}`), false)

	var last receiver.Record
	shown := make(chan receiver.Record, 1)
	rc, err := receiver.New(receiver.Options{
		Secrets: only(s), Path: "/hook", MaxBody: 4096, Remember: 8,
		Observe: func(x receiver.Exchange) { shown <- x.Record() },
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, path, algorithm, signature string, body []byte, chunked bool) {
		req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		req.Method, req.URL.Path = method, path
		if chunked {
			req.ContentLength = -1
		}
		req.Header = http.Header{}
		if algorithm != "" {
			req.Header.Set(webhook.HeaderAlgorithm, algorithm)
		}
		if signature != "" {
			req.Header.Set(webhook.HeaderSignature, signature)
		}
		w := httptest.NewRecorder()
		rc.ServeHTTP(w, req)
		last = <-shown
		if last.Status != w.Code {
			t.Errorf("answered %d, recorded %d", w.Code, last.Status)
		}
		right := s.Sign(body)
		valid := strings.EqualFold(signature, right) && (algorithm == "" || algorithm == webhook.Algorithm)
		_, err := webhook.ParseEvent(body)
		want := method == "POST" && path == "/hook" && len(body) <= 4096 && valid && err == nil
		if (w.Code < 300) != want {
			t.Errorf("answered %d, %s %s", w.Code, last.Verdict, last.Reason)
		}
		if strings.Contains(w.Body.String(), right) {
			t.Errorf("the answer gives the signature away: %q", w.Body)
		}
	})
}
