package receiver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ForwardTimeout is how long an application has by default. Mender gives up
// after 10 seconds, which began before the request came here.
const ForwardTimeout = 9 * time.Second

// ForwarderOptions are a Forwarder's settings. Target has to be given.
type ForwarderOptions struct {
	// Target is where events go: see ParseTarget.
	Target *url.URL
	// Timeout runs from the request's arrival to the application's answer; 0
	// means ForwardTimeout.
	Timeout time.Duration
	// MaxAnswer is how many bytes of the application's answer are passed
	// back; 0 means 64 KiB. The rest is cut off.
	MaxAnswer int64
	// TLSConfig is for an application whose certificate no public authority
	// vouches for.
	TLSConfig *tls.Config
}

// Forwarder hands each event to an application at once and answers as the
// application did. It is safe for concurrent use.
type Forwarder struct {
	o      ForwarderOptions
	shown  string
	client *http.Client
}

// NewForwarder makes a Forwarder. Close it to drop its idle connections.
func NewForwarder(o ForwarderOptions) *Forwarder {
	if o.Timeout == 0 {
		o.Timeout = ForwardTimeout
	}
	if o.MaxAnswer == 0 {
		o.MaxAnswer = 64 << 10
	}
	shown := *o.Target
	shown.User, shown.RawQuery = nil, ""
	return &Forwarder{o: o, shown: shown.String(), client: &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			TLSClientConfig:     o.TLSConfig,
			MaxIdleConnsPerHost: 64,
			// Applications hang up idle connections after 5 s (Node) or
			// more. An event must not be sent into that moment: it can't be
			// repeated without the application seeing it twice.
			IdleConnTimeout:    2 * time.Second,
			DisableCompression: true, // the answer is passed on as it came
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close drops the idle connections.
func (f *Forwarder) Close() { f.client.CloseIdleConnections() }

// Accept is for Options.Accept: it passes on the exact bytes with Mender's
// own headers, follows no redirect, and answers with the application's status
// and body; with 502 where the application can't be reached, and with 504
// where it takes too long. Answer.Forward says which.
func (f *Forwarder) Accept(ctx context.Context, req *Request) Answer {
	ctx, cancel := context.WithDeadline(ctx, req.ReceivedAt.Add(f.o.Timeout))
	defer cancel()
	start := time.Now()
	answer, err := f.pass(ctx, req)
	fwd := &Forward{
		URL:        f.shown,
		Status:     answer.Status,
		DurationMS: float64(time.Since(start).Microseconds()) / 1000,
		Attempt:    1,
	}
	if err != nil {
		status, text := f.failure(ctx, err)
		fwd.Error = text
		answer = say(status, text)
	}
	answer.Forward = fwd
	return answer
}

func (f *Forwarder) pass(ctx context.Context, req *Request) (Answer, error) {
	out, err := http.NewRequestWithContext(ctx, http.MethodPost, f.o.Target.String(), bytes.NewReader(req.Body))
	if err != nil {
		return Answer{}, err
	}
	copyHeader(out.Header, req.Header)
	resp, err := f.client.Do(out)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode < 200 || resp.StatusCode > 599 {
		return Answer{}, fmt.Errorf("it answered with status %d", resp.StatusCode)
	}
	// Mender judges an answer by its headers alone, so a body that breaks
	// off changes nothing.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, f.o.MaxAnswer))
	if resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified {
		body = nil // may have none
	}
	answer := Answer{Status: resp.StatusCode, Header: http.Header{}, Body: body}
	for _, name := range []string{"Content-Type", "Content-Encoding", "Retry-After", "Location"} {
		if values := resp.Header.Values(name); len(values) > 0 {
			answer.Header[name] = values
		}
	}
	return answer, nil
}

// failure returns the answer to an event that did not get through, and why.
func (f *Forwarder) failure(ctx context.Context, err error) (status int, text string) {
	if inner := (*url.Error)(nil); errors.As(err, &inner) {
		err = inner.Err // which does not quote the URL
	}
	switch {
	case errors.Is(err, context.Canceled):
		return http.StatusBadGateway, "the sender went away before the application answered"
	case ctx.Err() != nil:
		return http.StatusGatewayTimeout,
			fmt.Sprintf("the application did not answer within %s", f.o.Timeout)
	}
	return http.StatusBadGateway, fmt.Sprintf("the application can't be reached: %v", err)
}

// copyHeader copies what Mender sends: the signature's headers, the body's
// type, who sent it, and the Basic authorization of a URL with a password.
func copyHeader(to, from http.Header) {
	for name, values := range from {
		switch {
		case name == "Content-Type", name == "User-Agent", name == "Authorization",
			strings.HasPrefix(name, "X-Men-"):
			to[name] = values
		}
	}
	if _, ok := to["User-Agent"]; !ok {
		to["User-Agent"] = nil // else Go's client would add its own
	}
}
