package mender

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/go-resty/resty/v2"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/httpclient"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/retryafter"
)

// RetryPolicy controls retries of calls that failed for a temporary reason: too
// many requests (429), a gateway that cannot reach its server (502, 503, 504),
// or a broken connection. A call that creates something is retried only if it
// cannot have arrived, or was refused with 429.
//
// The waits double from MinWait to MaxWait, and each is shortened at random by
// up to half. The zero RetryPolicy means the defaults.
type RetryPolicy struct {
	// Retries is the largest number of retries of a call: 0 means 3, negative
	// means none.
	Retries int
	// MinWait is the first wait; 0 means 500 ms.
	MinWait time.Duration
	// MaxWait is the longest wait; 0 means 10 s.
	MaxWait time.Duration
	// MaxRetryAfter caps the wait that the server asks for with Retry-After; 0
	// means 30 s.
	MaxRetryAfter time.Duration
	// OnRetry, if not nil, is called before each wait with the number of the
	// failed attempt, counted from 1, and its error. It may be called from
	// several goroutines.
	OnRetry func(attempt int, wait time.Duration, err error)
}

func (p RetryPolicy) withDefaults() RetryPolicy {
	set := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	set(&p.MinWait, 500*time.Millisecond)
	set(&p.MaxWait, 10*time.Second)
	set(&p.MaxRetryAfter, 30*time.Second)
	switch {
	case p.Retries == 0:
		p.Retries = 3
	case p.Retries < 0:
		p.Retries = 0
	}
	return p
}

// setRetries configures resty's retries. The waits are computed by wait, so
// resty's own bounds must be wide enough for them.
func (c *Client) setRetries() {
	c.http.SetRetryCount(c.retry.Retries).
		SetRetryWaitTime(time.Nanosecond).
		SetRetryMaxWaitTime(max(c.retry.MaxWait, c.retry.MaxRetryAfter)).
		AddRetryCondition(c.again).
		SetRetryAfter(c.wait)
}

// again decides whether to retry a call.
func (c *Client) again(resp *resty.Response, err error) bool {
	if resp == nil || resp.Request == nil {
		return false // the request was not sent
	}
	ctx := resp.Request.Context()
	k := callOf(ctx)
	if ctx.Err() != nil || k.once || !c.worthRetrying(k, resp, err) {
		return false
	}
	k.last = c.failure(ctx, k, resp, err)
	k.lost = k.lost || k.sent.Load() && resp.StatusCode() != http.StatusTooManyRequests
	if resp.Request.Attempt <= c.retry.Retries {
		k.sent.Store(false)
	}
	return true
}

// worthRetrying reports whether another attempt may succeed, and would do no harm.
func (c *Client) worthRetrying(k *call, resp *resty.Response, err error) bool {
	if err != nil {
		return !permanent(err) && (k.repeatable() || !k.sent.Load())
	}
	switch resp.StatusCode() {
	case http.StatusTooManyRequests:
		return true
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return k.repeatable()
	}
	return false
}

// permanent reports whether another attempt would fail with the same error.
func permanent(err error) bool {
	var dns *net.DNSError
	var refused *httpclient.ProxyError
	return errors.Is(err, context.Canceled) || errors.As(err, &refused) ||
		errors.Is(err, resty.ErrResponseBodyTooLarge) ||
		untrusted(err) ||
		errors.As(err, &dns) && dns.IsNotFound
}

// untrusted reports whether the server's certificate was refused.
func untrusted(err error) bool {
	var (
		verify *tls.CertificateVerificationError
		host   x509.HostnameError
		ca     x509.UnknownAuthorityError
		other  x509.CertificateInvalidError
		plain  tls.RecordHeaderError
	)
	return errors.As(err, &verify) || errors.As(err, &host) || errors.As(err, &ca) ||
		errors.As(err, &other) || errors.As(err, &plain)
}

// wait returns how long to wait before the next attempt, and calls OnRetry.
func (c *Client) wait(_ *resty.Client, resp *resty.Response) (time.Duration, error) {
	k := callOf(resp.Request.Context())
	wait := c.backoff(resp.Request.Attempt)
	if asked := retryafter.Parse(resp.Header(), c.clock.now()); asked > 0 {
		wait = min(asked, c.retry.MaxRetryAfter)
	}
	if c.retry.OnRetry != nil {
		c.retry.OnRetry(resp.Request.Attempt, wait, k.last)
	}
	return wait, nil
}

// backoff returns a wait that doubles with each attempt from MinWait to MaxWait.
// It is shortened at random by up to half, so that clients that failed together
// do not retry together.
func (c *Client) backoff(attempt int) time.Duration {
	wait := c.retry.MinWait
	for range min(attempt-1, 30) {
		wait = min(2*wait, c.retry.MaxWait)
	}
	wait = min(wait, c.retry.MaxWait)
	return max(wait-rand.N(wait/2+1), time.Nanosecond) //nolint:gosec // no secret depends on it
}
