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

// DeliveryTimeout is how long Mender gives a delivery by default: name
// resolution, connecting, TLS and the answer's headers together.
const DeliveryTimeout = 10 * time.Second

// idleConnTimeout is how long iot-manager keeps a connection it may use again.
const idleConnTimeout = 90 * time.Second

// NewRequest makes the request that iot-manager makes for a delivery. A zero
// secret leaves it unsigned. The error says what is wrong with the URL.
func NewRequest(ctx context.Context, url string, body []byte, secret Secret) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = Header(body, secret)
	return req, nil
}

// Header returns the headers that iot-manager sets for a delivery of body,
// with the signature's if there is a secret.
func Header(body []byte, secret Secret) http.Header {
	header := http.Header{"Content-Type": {"application/json"}}
	if !secret.IsZero() {
		header.Set(HeaderAlgorithm, Algorithm)
		header.Set(HeaderSignature, secret.Sign(body))
	}
	return header
}

// Delivery is how one attempt went.
type Delivery struct {
	// StatusCode is the HTTP status, or 0 where no HTTP answer came.
	StatusCode int
	// Header is the answer's, or nil where no HTTP answer came.
	Header http.Header
	// Err is nil for a success. Its text is what Mender's log would say; a
	// URL in it is whole, so a token in a query stands there in clear.
	Err error
	// Duration runs from the start of the attempt to the answer's headers.
	Duration time.Duration
}

// Success reports whether Mender would call the delivery a success: an
// answer under 300, in time.
func (d Delivery) Success() bool { return d.Err == nil }

// TimedOut reports whether the receiver did not answer in time. Such a
// delivery never reaches Mender's log.
func (d Delivery) TimedOut() bool {
	var timeout net.Error
	return errors.Is(d.Err, context.DeadlineExceeded) ||
		(errors.As(d.Err, &timeout) && timeout.Timeout())
}

// StatusError is the failure of a delivery that was answered with 300 or more.
type StatusError struct{ StatusCode int }

// Error is worded as Mender's log words it.
func (e *StatusError) Error() string {
	return fmt.Sprintf("client: unexpected status code from API: %d", e.StatusCode)
}

// SenderOptions are the ways in which a Sender may differ from iot-manager.
// The zero value differs in none.
type SenderOptions struct {
	// Timeout is for a whole attempt; 0 means DeliveryTimeout.
	Timeout time.Duration
	// MaxIdleConns is how many idle connections are kept to one receiver; 0
	// means 2, which is what iot-manager's client comes to.
	MaxIdleConns int
	// Transport carries the requests, for proxies and for certificates that no
	// public authority vouches for. The Sender sets what makes it deliver as
	// iot-manager does, and uses it alone; nil means a new one, without a proxy.
	Transport *http.Transport
	// CheckAddress refuses to connect to an address (host:port) by its
	// error, after name resolution. Mender refuses reserved addresses so.
	CheckAddress func(address string) error
}

// Sender delivers events as iot-manager does: one POST over HTTP/1.1, no
// proxy, no redirect followed, no second try. It is safe for concurrent use.
type Sender struct {
	client  *http.Client
	timeout time.Duration
}

// NewSender makes a Sender. Close it to drop its idle connections.
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

// Send delivers body to url, signed where there is a secret.
func (s *Sender) Send(ctx context.Context, url string, body []byte, secret Secret) Delivery {
	req, err := NewRequest(ctx, url, body, secret)
	if err != nil {
		return Delivery{Err: err}
	}
	return s.Do(req)
}

// Do makes one attempt with a request of NewRequest's, possibly altered, and
// judges the answer as iot-manager does: by its headers alone.
func (s *Sender) Do(req *http.Request) Delivery {
	ctx, cancel := context.WithTimeout(req.Context(), s.timeout)
	defer cancel()
	start := time.Now()
	resp, err := s.client.Do(req.WithContext(ctx))
	d := Delivery{Err: err, Duration: time.Since(start)}
	if err != nil {
		return d
	}
	_ = resp.Body.Close() // Mender does not read it either
	d.StatusCode, d.Header = resp.StatusCode, resp.Header
	if resp.StatusCode >= 300 {
		d.Err = &StatusError{StatusCode: resp.StatusCode}
	}
	return d
}

// Close drops the idle connections.
func (s *Sender) Close() { s.client.CloseIdleConnections() }
