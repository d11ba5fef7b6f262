package conformance_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/conformance"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

const secretHex = "00112233445566778899aabbccddeeff"

// receiver is a webhook receiver with mistakes that can be switched on.
type receiver struct {
	secretAsText  bool
	checksNothing bool
	emptyKey      bool
	reencodes     bool
	oneHeader     bool
	strictFields  bool
	strictTypes   bool
	needsData     bool
	refusesRepeat bool
	inOrder       bool
	limit         int64
	announced     bool          // relies on Content-Length
	delay         time.Duration // of each answer

	mu   sync.Mutex
	seen map[string]bool
	last time.Time
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	time.Sleep(r.delay)
	limit := r.limit
	if limit == 0 {
		limit = 1 << 20
	}
	if r.announced && req.ContentLength < 0 {
		w.WriteHeader(http.StatusLengthRequired)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, limit))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	if !r.checksNothing && !r.signed(req.Header, body) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.WriteHeader(r.judge(body))
}

func (r *receiver) signed(header http.Header, body []byte) bool {
	key, _ := hex.DecodeString(secretHex)
	switch {
	case r.secretAsText:
		key = []byte(secretHex)
	case r.emptyKey && header.Get("X-Men-Signature") == webhook.EmptySecret().Sign(body):
		return true
	case r.reencodes:
		var value any
		_ = json.Unmarshal(body, &value)
		if e, err := webhook.ParseEvent(body); err == nil {
			body, _ = json.Marshal(e)
		}
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	got := header.Get("X-Men-Signature")
	if got == "" && !r.oneHeader {
		got = header.Get("X-Men-Signature-Payload")
	}
	return hmac.Equal([]byte(got), []byte(hex.EncodeToString(mac.Sum(nil))))
}

func (r *receiver) judge(body []byte) int {
	e, err := webhook.ParseEvent(body)
	if err != nil {
		return http.StatusBadRequest
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	switch {
	case r.strictFields && bytes.Contains(body, []byte(`"future"`)),
		r.strictTypes && strings.Contains(string(e.Type), "future"),
		r.needsData && string(e.Data) == "null":
		return http.StatusBadRequest
	case r.refusesRepeat && r.seen[e.ID], r.inOrder && e.Time.Before(r.last):
		return http.StatusConflict
	}
	r.seen[e.ID], r.last = true, e.Time
	return http.StatusNoContent
}

func run(t *testing.T, handler http.Handler, s conformance.Suite) []conformance.Result {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	secret, err := webhook.ParseSecret(secretHex)
	if err != nil {
		t.Fatal(err)
	}
	s.URL, s.Secret, s.Pause = server.URL, secret, time.Millisecond
	if s.Sender == nil {
		s.Sender = webhook.NewSender(webhook.SenderOptions{MaxIdleConns: 4})
	}
	t.Cleanup(s.Sender.Close)
	var results []conformance.Result
	if err := s.Run(t.Context(), func(r conformance.Result) { results = append(results, r) }); err != nil {
		t.Fatal(err)
	}
	return results
}

// TestEachMistakeFailsItsCase tests receivers with one mistake each. Exactly the
// case that names the mistake must fail, or warn if it is not required.
func TestEachMistakeFailsItsCase(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		receiver *receiver
		failed   []string
		warned   []string
	}{
		"none":                 {&receiver{}, nil, nil},
		"secret as text":       {&receiver{secretAsText: true}, []string{"secret-as-text"}, nil},
		"checks nothing":       {&receiver{checksNothing: true}, []string{"unsigned"}, nil},
		"empty key":            {&receiver{emptyKey: true}, []string{"empty-key"}, nil},
		"encodes again":        {&receiver{reencodes: true}, []string{"raw-body"}, nil},
		"one header":           {&receiver{oneHeader: true}, []string{"signature-header"}, nil},
		"refuses repeats":      {&receiver{refusesRepeat: true}, []string{"duplicate"}, nil},
		"insists on order":     {&receiver{inOrder: true}, nil, []string{"out-of-order"}},
		"strict types":         {&receiver{strictTypes: true}, []string{"unknown-type"}, nil},
		"strict fields":        {&receiver{strictFields: true}, nil, []string{"unknown-fields"}},
		"insists on data":      {&receiver{needsData: true}, nil, []string{"null-data"}},
		"small limit":          {&receiver{limit: 100 << 10}, []string{"large"}, nil},
		"no limit":             {&receiver{limit: 1 << 40}, nil, []string{"too-large"}},
		"needs Content-Length": {&receiver{announced: true}, nil, []string{"chunked"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var failed, warned []string
			for _, r := range run(t, test.receiver, conformance.Suite{}) {
				switch r.Outcome {
				case conformance.Failed:
					failed = append(failed, r.Case)
				case conformance.Warned:
					warned = append(warned, r.Case)
				}
				if (r.Outcome == conformance.Failed || r.Outcome == conformance.Warned) && (r.Reason == "" || r.Fix == "") {
					t.Errorf("%s has no reason or no fix: %+v", r.Case, r)
				}
			}
			if diff := cmp.Diff(test.failed, failed); diff != "" {
				t.Errorf("failed (-want +got):\n%s", diff)
			}
			// A busy machine may be slow, or drop a connection of the burst.
			warned = without(warned, "answers-in-time", "burst")
			if diff := cmp.Diff(test.warned, warned); diff != "" {
				t.Errorf("warned (-want +got):\n%s", diff)
			}
		})
	}
}

func without(names []string, dropped ...string) []string {
	var kept []string
	for _, name := range names {
		if !strings.Contains(strings.Join(dropped, " "), name) {
			kept = append(kept, name)
		}
	}
	return kept
}

func TestSlowReceiverFailsOneCase(t *testing.T) {
	t.Parallel()
	sender := webhook.NewSender(webhook.SenderOptions{Timeout: 50 * time.Millisecond})
	hangs := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	outcomes := map[conformance.Outcome]int{}
	for _, r := range run(t, hangs, conformance.Suite{Sender: sender}) {
		outcomes[r.Outcome]++
		if r.Outcome == conformance.Failed && r.Case != "answers-in-time" {
			t.Errorf("%s failed", r.Case)
		}
	}
	if outcomes[conformance.Failed] != 1 || outcomes[conformance.Passed] != 0 {
		t.Errorf("outcomes: %v", outcomes)
	}
}

func TestIdleConnectionThatIsClosedWarns(t *testing.T) {
	t.Parallel()
	closes := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		(&receiver{}).ServeHTTP(w, r)
	})
	for handler, want := range map[*http.Handler]conformance.Outcome{ptr(closes): conformance.Warned, ptr(&receiver{}): conformance.Passed} {
		for _, r := range run(t, *handler, conformance.Suite{Idle: time.Millisecond}) {
			if r.Case == "idle-connection" && r.Outcome != want {
				t.Errorf("%s, want %s: %s", r.Outcome, want, r.Reason)
			}
		}
	}
}

func ptr(h http.Handler) *http.Handler { return &h }

func TestJUnitReport(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := conformance.WriteJUnit(&out, "http://127.0.0.1:8090/", []conformance.Result{
		{Case: "valid", Outcome: conformance.Passed, DurationMS: 12.5},
		{Case: "unsigned", Outcome: conformance.Failed, Reason: "accepted it with 204", Sends: "an event", Expects: "401 or 403", Fix: "verify <it>"},
		{Case: "chunked", Outcome: conformance.Warned, Reason: "answered 411"},
		{Case: "altered", Outcome: conformance.Skipped, Reason: "explained"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Skipped  int `xml:"skipped,attr"`
		Cases    []struct {
			Name    string `xml:"name,attr"`
			Failure *struct {
				Message string `xml:"message,attr"`
				Text    string `xml:",chardata"`
			} `xml:"failure"`
			Output string `xml:"system-out"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if report.Tests != 4 || report.Failures != 1 || report.Skipped != 1 {
		t.Errorf("counts: %+v", report)
	}
	failure := report.Cases[1].Failure
	if failure == nil || failure.Message != "accepted it with 204" || !strings.Contains(failure.Text, "verify <it>") {
		t.Errorf("failure: %+v", failure)
	}
	if !strings.Contains(report.Cases[2].Output, "answered 411") {
		t.Errorf("warning: %q", report.Cases[2].Output)
	}
}
