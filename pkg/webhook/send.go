package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
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
	req.Header.Set("Content-Type", "application/json")
	if !secret.IsZero() {
		req.Header.Set(HeaderAlgorithm, Algorithm)
		req.Header.Set(HeaderSignature, secret.Sign(body))
	}
	return req, nil
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
	// TLSConfig is for receivers whose certificate no public authority
	// vouches for.
	TLSConfig *tls.Config
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
	dialer := &net.Dialer{}
	if o.CheckAddress != nil {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			return o.CheckAddress(address)
		}
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &Sender{
		timeout: o.Timeout,
		client: &http.Client{
			Transport: &http.Transport{
				DialContext:         dialer.DialContext,
				TLSClientConfig:     o.TLSConfig,
				TLSHandshakeTimeout: o.Timeout,
				MaxIdleConnsPerHost: o.MaxIdleConns,
				IdleConnTimeout:     idleConnTimeout,
				Protocols:           protocols,
			},
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
