package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"
)

// DeliveryTimeout is Mender's default limit for a delivery, from name resolution
// to the headers of the answer.
const DeliveryTimeout = 10 * time.Second

// idleConnTimeout is how long iot-manager keeps an idle connection.
const idleConnTimeout = 90 * time.Second

// NewRequest returns the request that iot-manager sends for a delivery. A zero
// secret leaves it unsigned. NewRequest fails only if the URL is invalid.
func NewRequest(ctx context.Context, url string, body []byte, secret Secret) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = Header(body, secret)
	return req, nil
}

// Header returns the headers that iot-manager sets for a delivery of body. They
// include a signature unless the secret is zero.
func Header(body []byte, secret Secret) http.Header {
	header := http.Header{"Content-Type": {"application/json"}}
	if !secret.IsZero() {
		header.Set(HeaderAlgorithm, Algorithm)
		header.Set(HeaderSignature, secret.Sign(body))
	}
	return header
}

// Delivery is the result of one attempt.
type Delivery struct {
	// StatusCode is the HTTP status, or 0 if there was no HTTP answer.
	StatusCode int
	// Header holds the headers of the answer; nil if there was none.
	Header http.Header
	// Err is nil if the delivery succeeded. Its text is the same as in Mender's
	// log. It may contain the whole URL, including a token in its query.
	Err error
	// Duration runs from the start of the attempt to the answer's headers.
	Duration time.Duration
}

// Success reports whether Mender would log the delivery as a success: the answer
// had a status under 300 and came in time.
func (d Delivery) Success() bool { return d.Err == nil }

// TimedOut reports whether the receiver did not answer in time. Such a
// delivery never reaches Mender's log.
func (d Delivery) TimedOut() bool {
	var timeout net.Error
	return errors.Is(d.Err, context.DeadlineExceeded) ||
		(errors.As(d.Err, &timeout) && timeout.Timeout())
}

// StatusError is the error of a delivery whose answer had a status of 300 or more.
type StatusError struct{ StatusCode int }

// Error returns the text that Mender logs.
func (e *StatusError) Error() string {
	return fmt.Sprintf("client: unexpected status code from API: %d", e.StatusCode)
}

// SenderOptions change how a Sender delivers. With the zero value, it delivers
// as iot-manager does.
type SenderOptions struct {
	// Timeout limits an attempt; 0 means DeliveryTimeout.
	Timeout time.Duration
	// MaxIdleConns is how many idle connections to a receiver are kept; 0
	// means 2, as in iot-manager.
	MaxIdleConns int
	// Transport sends the requests. Its proxy and TLS settings apply; the Sender
	// overrides its other settings and must be its only user. nil means a new one
	// without a proxy.
	Transport *http.Transport
	// CheckAddress, if set, is called with each address (host:port) after name
	// resolution. If it returns an error, no connection is made. Mender refuses
	// reserved addresses in this way.
	CheckAddress func(address string) error
}

// Sender delivers events as iot-manager does: with one POST over HTTP/1.1,
// without a proxy, redirects or retries. It is safe for concurrent use.
type Sender struct {
	client  *http.Client
	timeout time.Duration
}

// NewSender returns a Sender. Close it when you no longer need it.
func NewSender(o SenderOptions) *Sender {
	if o.Timeout == 0 {
		o.Timeout = DeliveryTimeout
	}
	transport := o.Transport
	if transport == nil {
		transport = &http.Transport{}
	}
	if o.CheckAddress != nil {
		dialer := &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
			return o.CheckAddress(address)
		}}
		transport.DialContext = dialer.DialContext
	}
	transport.TLSHandshakeTimeout = o.Timeout
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, o.MaxIdleConns
	transport.IdleConnTimeout = idleConnTimeout
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(true)
	return &Sender{
		timeout: o.Timeout,
		client: &http.Client{
			Transport: transport,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		},
	}
}

// Send delivers body to url, signed unless the secret is zero.
func (s *Sender) Send(ctx context.Context, url string, body []byte, secret Secret) Delivery {
	req, err := NewRequest(ctx, url, body, secret)
	if err != nil {
		return Delivery{Err: err}
	}
	return s.Do(req)
}

// Do sends a request from NewRequest, which may have been altered, and judges
// the answer as iot-manager does: by its status, without reading the body.
func (s *Sender) Do(req *http.Request) Delivery {
	ctx, cancel := context.WithTimeout(req.Context(), s.timeout)
	defer cancel()
	start := time.Now()
	resp, err := s.client.Do(req.WithContext(ctx))
	d := Delivery{Err: err, Duration: time.Since(start)}
	if err != nil {
		return d
	}
	_ = resp.Body.Close() // Mender does not read it
	d.StatusCode, d.Header = resp.StatusCode, resp.Header
	if resp.StatusCode >= 300 {
		d.Err = &StatusError{StatusCode: resp.StatusCode}
	}
	return d
}

// Close closes the idle connections.
func (s *Sender) Close() { s.client.CloseIdleConnections() }
