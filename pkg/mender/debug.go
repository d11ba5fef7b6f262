package mender

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/printable"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/redact"
)

// maxDebugBody is how much of a body is shown, in bytes.
const maxDebugBody = 64 << 10

// debugger is a RoundTripper that writes each request and its answer to out,
// with secrets masked.
type debugger struct {
	next http.RoundTripper
	now  func() time.Time

	mu  sync.Mutex
	out io.Writer
}

// RoundTrip implements http.RoundTripper.
func (d *debugger) RoundTrip(req *http.Request) (*http.Response, error) {
	secrets := callOf(req.Context()).secrets
	d.write(d.request(req, secrets))
	start := d.now()
	resp, err := d.next.RoundTrip(req)
	took := d.now().Sub(start).Round(time.Millisecond)
	if err != nil {
		d.write(fmt.Sprintf("< no answer after %s: %s\n\n", took, d.line(err.Error(), secrets)))
		return nil, err
	}
	head := fmt.Sprintf("< %s %s (%s)\n", resp.Proto, d.line(resp.Status, secrets), took) + d.headers("<", resp.Header, secrets)
	// The caller must still read the same body, and get the same error at its
	// end.
	body, readErr := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	rest := io.MultiReader(bytes.NewReader(body), resp.Body)
	if readErr != nil {
		rest = io.MultiReader(bytes.NewReader(body), failingReader{readErr})
		head += fmt.Sprintf("< (the body ends early: %s)\n", d.line(readErr.Error(), secrets))
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{rest, resp.Body}
	d.write(head + d.body("<", resp.Header, body, secrets) + "\n")
	return resp, nil
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

func (d *debugger) request(req *http.Request, secrets []string) string {
	text := fmt.Sprintf("> %s %s\n", req.Method, d.line(req.URL.String(), secrets)) + d.headers(">", req.Header, secrets)
	if req.GetBody != nil {
		if body, err := req.GetBody(); err == nil {
			raw, _ := io.ReadAll(body) // cannot fail: the body is in memory
			_ = body.Close()
			text += d.body(">", req.Header, raw, secrets)
		}
	}
	return text + "\n"
}

func (d *debugger) headers(mark string, h http.Header, secrets []string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			fmt.Fprintf(&b, "%s %s: %s\n", mark, visible(name), visible(redact.HeaderValue(name, value, secrets...)))
		}
	}
	return b.String()
}

func (d *debugger) body(mark string, h http.Header, body []byte, secrets []string) string {
	if len(body) == 0 {
		return ""
	}
	text := redact.Mask // the whole body is a token
	if !strings.HasPrefix(h.Get("Content-Type"), "application/jwt") {
		text = redact.Text(string(body), secrets...)
	}
	more := ""
	if len(text) > maxDebugBody {
		more = fmt.Sprintf("%s (and %d more bytes)\n", mark, len(text)-maxDebugBody)
		text = text[:maxDebugBody]
	}
	var b strings.Builder
	b.WriteString(mark + "\n")
	for line := range strings.Lines(text) {
		b.WriteString(mark + " " + visible(strings.TrimRight(line, "\r\n")) + "\n")
	}
	return b.String() + more
}

func (d *debugger) line(s string, secrets []string) string {
	return visible(redact.Text(s, secrets...))
}

func (d *debugger) write(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, _ = io.WriteString(d.out, text) // a failed write must not fail the call
}

// visible escapes characters that are unsafe on a terminal, except tabs.
func visible(s string) string { return printable.Escape(s, "\t") }
