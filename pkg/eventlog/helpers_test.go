package eventlog

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// testToken is not a valid token: its signature is just a word.
const testToken = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9." +
	"eyJqdGkiOiJhIiwic3ViIjoidXNlciIsImV4cCI6NDEwMjQ0NDgwMCwiaWF0IjoxNzk1NDI3Njc0LCJtZW5kZXIudXNlciI6dHJ1ZX0.c2lnbmF0dXJl"

// logOf returns the log of a server that is not on a network.
func logOf(t *testing.T, o mender.Options) *Log {
	t.Helper()
	o.Token = testToken
	c, err := mender.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return New(c)
}

// script is a network with one answer for each request; the last one repeats.
type script struct {
	steps []step
	n     int
	at    []time.Time // when each request arrived
}

// step is an answer. With dial, connecting fails; with hang, no answer comes.
type step struct {
	status     int
	header     string // "Name: value"
	body       string
	dial, hang bool
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	now := s.steps[min(s.n, len(s.steps)-1)]
	s.n++
	s.at = append(s.at, time.Now())
	if now.dial {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	if now.hang {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	h := http.Header{"Content-Type": {"application/json"}, "X-Men-Requestid": {"req-1"}}
	if name, value, ok := strings.Cut(now.header, ": "); ok {
		h.Set(name, value)
	}
	return &http.Response{StatusCode: now.status, Header: h, Body: io.NopCloser(strings.NewReader(now.body)), Request: req}, nil
}

func scripted(t *testing.T, steps ...step) (*Log, *script) {
	t.Helper()
	s := &script{steps: steps}
	return logOf(t, mender.Options{Transport: s}), s
}

// logPage returns a page of the log with n events, starting at the one with the
// given number.
func logPage(from, n int) []byte {
	var b bytes.Buffer
	for i := from; i < from+n; i++ {
		at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC).Add(-time.Duration(i) * 7 * time.Millisecond)
		fmt.Fprintf(&b, `,{"id":"%08x-e040-4a4d-8aa4-f94a47030fe8","type":"device-decommissioned","data":{"id":"d"},"time":%q}`,
			i, at.Format("2006-01-02T15:04:05.999Z"))
	}
	return fmt.Appendf(nil, "[%s]", b.Bytes()[1:])
}
