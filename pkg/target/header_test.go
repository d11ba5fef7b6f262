package target_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

func TestHeadersOfTheConnectionAndCredentialsAreNotForwarded(t *testing.T) {
	want := http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"Go-http-client/1.1"}, "X-Men-Signature": {"00ff"},
		"Traceparent": {"00-1-2-03"}, "X-Mender-Webhooks-Rebuilt": {"from-log"}, "X-Forwarded-For": {"192.0.2.1", "192.0.2.2"},
	}
	in := want.Clone()
	for _, name := range []string{
		"Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Te", "Trailer", "Upgrade", "Expect", "Content-Length", "Host",
		"Accept-Encoding", "Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "X-Auth-Token", "x-vault-token", "X-Hop", "X-Hop-2",
	} {
		in[name] = []string{"x"}
	}
	in["Connection"] = []string{"close, x-hop", "X-Hop-2"}
	if diff := cmp.Diff(want, target.EndToEnd(in)); diff != "" {
		t.Error(diff)
	}
}

func TestAFloodOfHeadersPushesNothingOut(t *testing.T) {
	needed := http.Header{
		"X-Men-Signature": {strings.Repeat("0", 64)}, "X-Men-Algorithm": {"MEN-HMAC-SHA256-Payload"},
		"X-Mender-Webhooks-Rebuilt": {"from-log"}, "Content-Type": {"application/json"}, "User-Agent": {"Go-http-client/1.1"},
		"Webhook-Id": {"e-1"}, "Webhook-Timestamp": {"1674087231"}, "Webhook-Signature": {"v1,K5oZ"},
	}
	for name, flood := range map[string]func(http.Header){
		"many":       func(h http.Header) { fill(h, "A-%d", 500, 10) },
		"long":       func(h http.Header) { fill(h, "A-%d", 10, 2000) },
		"one":        func(h http.Header) { fill(h, "A-%d", 1, 16000) },
		"like ours":  func(h http.Header) { fill(h, "X-Men-A%d", 500, 100) },
		"one values": func(h http.Header) { h["A"] = strings.Split(strings.Repeat("x,", 5000), ",") },
	} {
		t.Run(name, func(t *testing.T) {
			in := needed.Clone()
			flood(in)
			out := target.EndToEnd(in)
			count, size := 0, 0
			for name, values := range out {
				for _, value := range values {
					count, size = count+1, size+len(name)+len(value)+4
				}
			}
			if count > 48 || size > 6<<10 {
				t.Errorf("%d headers, %d bytes", count, size)
			}
			for name := range needed {
				if diff := cmp.Diff(needed[name], out[name]); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
		})
	}
}

func fill(h http.Header, name string, n, size int) {
	for i := range n {
		h.Set(fmt.Sprintf(name, i), strings.Repeat("x", size))
	}
}
