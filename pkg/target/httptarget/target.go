// Package httptarget forwards events to an application over HTTP: one POST
// with the exact bytes and the end-to-end headers of the event.
package httptarget

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/httpclient"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/retryafter"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/urls"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// defaultTimeout limits an attempt if Options.Timeout is 0.
const defaultTimeout = 30 * time.Second

// maxAnswer is how much of the application's answer is kept, in bytes.
const maxAnswer = 64 << 10

const (
	// idleTimeout closes idle connections before the application does. Node
	// closes them after 5 s, and an event sent at that moment is lost.
	idleTimeout = 2 * time.Second
	// bodyTimeout limits the time for reading an answer that is not kept. Its
	// status has already decided whether the attempt succeeded.
	bodyTimeout = time.Second
	// maxAnswerHeader limits the size of the answer's headers, in bytes.
	maxAnswerHeader = 256 << 10
)

// Options are the settings of a Target. URL is required.
type Options struct {
	// URL is where events are posted: see ParseURL. A user and password in the
	// URL are sent with Basic authentication.
	URL *url.URL
	// Timeout limits a whole attempt, including the body of the answer; 0 means
	// 30 s.
	Timeout time.Duration
	// Connections is how many idle connections are kept for further events.
	// With 0, each event uses its own connection, so that no event is lost because
	// the application closes an idle connection.
	Connections int
	// Answer keeps the answer's headers and up to 64 KiB of its body in the
	// Result, as the application sent them.
	Answer bool
	// CACertFile is a PEM file with authorities to trust in addition to the
	// system's; empty adds none.
	CACertFile string
	// SkipVerify accepts any certificate.
	SkipVerify bool
	// Header is set on each request, and replaces received headers of the same names.
	// CheckHeader has the rules. The values are secret: in the kept answers of an
	// application that repeats them, they are replaced by ***.
	Header http.Header
}

// Target posts events to one URL. It does not follow redirects, never resends a
// request that may have arrived, and uses a proxy as HTTP_PROXY, HTTPS_PROXY and
// NO_PROXY specify. It is safe for concurrent use.
type Target struct {
	o       Options
	secrets []string // the values of o.Header
	client  *http.Client
}

// New returns a Target. It fails only if CACertFile or Header cannot be used.
func New(o Options) (*Target, error) {
	var err error
	if o.Header, err = o.header(); err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	config, err := httpclient.TLS{CACertFile: o.CACertFile, SkipVerify: o.SkipVerify}.Config()
	if err != nil {
		return nil, err
	}
	transport := httpclient.Transport(config)
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(true)
	transport.DisableKeepAlives = o.Connections == 0
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = o.Connections, o.Connections
	transport.IdleConnTimeout = idleTimeout
	transport.MaxResponseHeaderBytes = maxAnswerHeader
	transport.DisableCompression = true // the answer is kept as the application sent it
	return &Target{o: o, secrets: secretsOf(o.Header), client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// String returns the URL without its user, password and query.
func (t *Target) String() string { return urls.Public(t.o.URL) }

// Close closes the idle connections.
func (t *Target) Close() error {
	t.client.CloseIdleConnections()
	return nil
}

// Deliver posts the event once. Only a status of 2xx is a success. A status of
// 409 or the header target.HeaderDuplicate marks a duplicate.
func (t *Target) Deliver(ctx context.Context, e target.Event) target.Result {
	ctx, cancel := context.WithTimeout(ctx, t.o.Timeout)
	defer cancel()
	start := time.Now()
	req, err := t.request(ctx, e)
	if err != nil {
		return target.Result{Err: err, Permanent: true}
	}
	resp, err := t.client.Do(req)
	r := target.Result{Duration: time.Since(start)}
	if err != nil {
		r.Err = t.failure(err)
		return r
	}
	if r.Err = httpclient.Refused(req, resp); r.Err != nil {
		_ = resp.Body.Close()
		return r
	}
	r.Status = resp.StatusCode
	r.Duplicate = r.Status == http.StatusConflict || resp.Header.Get(target.HeaderDuplicate) != ""
	if r.Status < 200 || r.Status > 299 {
		r.Err = &statusError{r.Status}
		r.RetryAfter = retryafter.Parse(resp.Header, time.Now())
	}
	r.Answer = t.read(resp, cancel)
	return r
}

func (t *Target) request(ctx context.Context, e target.Event) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.o.URL.String(), bytes.NewReader(e.Body))
	if err != nil {
		return nil, urls.Cause(err)
	}
	req.Header = target.EndToEnd(e.Header)
	for name, values := range t.o.Header {
		req.Header[name] = values
	}
	if _, ok := req.Header["User-Agent"]; !ok {
		req.Header["User-Agent"] = nil // otherwise, Go's client would add its own
	}
	if req.Header.Get("Idempotency-Key") != "" || req.Header.Get("X-Idempotency-Key") != "" {
		req.GetBody = nil // otherwise, Go's client would resend a request that may have arrived
	}
	return req, nil
}

// read reads the body of the answer, so that the connection can be reused, and
// returns the answer if Options.Answer is set. An incomplete body is not a
// failure.
func (t *Target) read(resp *http.Response, cancel context.CancelFunc) *target.Answer {
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return nil // its body is the connection, which has no end
	}
	if !t.o.Answer {
		defer time.AfterFunc(bodyTimeout, cancel).Stop()
		_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return t.masked(&target.Answer{Header: resp.Header, Body: body})
}

// failure returns the error of an attempt that got no answer.
func (t *Target) failure(err error) error {
	err = urls.Cause(err)
	if errors.Is(err, context.DeadlineExceeded) {
		return &timeoutError{t.o.Timeout}
	}
	return err
}

// timeoutError is the failure of an attempt that took too long. It wraps
// context.DeadlineExceeded.
type timeoutError struct{ limit time.Duration }

func (e *timeoutError) Error() string { return fmt.Sprintf("no answer within %s", e.limit) }
func (e *timeoutError) Unwrap() error { return context.DeadlineExceeded }

// statusError is the failure of an attempt whose answer had a status other than
// 2xx.
type statusError struct{ status int }

// Error reads as "the application answered 500 Internal Server Error".
func (e *statusError) Error() string {
	text := strconv.Itoa(e.status)
	if name := http.StatusText(e.status); name != "" {
		text += " " + name
	}
	return "the application answered " + text
}
