package relay

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

	"github.com/nats-io/nats.go"
)

// target is the application.
type target struct {
	url     string
	timeout time.Duration
	client  *http.Client
}

// attempt is how one went.
type attempt struct {
	status     int
	duration   time.Duration
	retryAfter time.Duration
	err        error
}

// drained is how much of an answer is read, in bytes, so that its connection
// can be used again. What is in it does not matter.
const drained = 64 << 10

func newTarget(o ForwardOptions) *target {
	transport := o.Transport
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConns, t.MaxIdleConnsPerHost = o.Concurrency, o.Concurrency
		transport = t
	}
	return &target{
		url: o.URL, timeout: o.Timeout,
		client: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// send makes one attempt with the exact bytes and the headers that came. A
// status of 2xx is success, and nothing else.
func (t *target) send(ctx context.Context, header nats.Header, body []byte) attempt {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return attempt{err: withoutURL(err)}
	}
	req.Header = forwardedHeader(header)
	start := time.Now()
	resp, err := t.client.Do(req)
	a := attempt{duration: time.Since(start), err: withoutURL(err)}
	if errors.Is(err, context.DeadlineExceeded) {
		a.err = fmt.Errorf("no answer within %s", t.timeout)
	}
	if err != nil {
		return a
	}
	_, _ = io.CopyN(io.Discard, resp.Body, drained)
	_ = resp.Body.Close()
	a.status = resp.StatusCode
	if a.status < 200 || a.status > 299 {
		a.err = &StatusError{StatusCode: a.status}
		a.retryAfter = retryAfter(resp.Header.Get("Retry-After"))
	}
	return a
}

// StatusError is the failure of an attempt that was answered with anything
// but 2xx.
type StatusError struct{ StatusCode int }

// Error reads as "the application answered 500 Internal Server Error".
func (e *StatusError) Error() string {
	text := strconv.Itoa(e.StatusCode)
	if name := http.StatusText(e.StatusCode); name != "" {
		text += " " + name
	}
	return "the application answered " + text
}

// withoutURL takes the URL out of an error, since it may hold a password or a
// token. The reader knows it.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func retryAfter(value string) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(seconds, 1<<20)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return time.Until(at)
	}
	return 0
}

func (t *target) close() { t.client.CloseIdleConnections() }
