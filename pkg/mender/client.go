package mender

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/httpclient"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/urls"
)

// Base paths of two Mender services, relative to the server's URL.
const (
	iotManager = "/api/management/v1/iot-manager"
	useradm    = "/api/management/v1/useradm"
)

// DefaultServer is the URL of hosted Mender in the United States.
const DefaultServer = "https://hosted.mender.io"

// maxAnswer is the size of the largest answer to read, in bytes. It leaves ample
// room for 500 events, each with the inventory of a device.
const maxAnswer = 32 << 20

// defaultTimeout is the time limit for one attempt of a request.
const defaultTimeout = 30 * time.Second

// Options are the settings of a Client.
type Options struct {
	// Server is the server's URL; the default scheme is https. Empty means
	// DefaultServer.
	Server string
	// Token is a session's JWT or a personal access token. Login does not need
	// one.
	Token string
	// UserAgent is the User-Agent header to send; empty means mender-webhooks.
	UserAgent string
	// Timeout limits one attempt, including reading its answer; 0 means 30 s.
	Timeout time.Duration
	// CACertFile is a PEM file with a certificate authority to trust in
	// addition to the system's.
	CACertFile string
	// SkipVerify turns off verification of the server's certificate.
	SkipVerify bool
	// AllowHTTP permits sending tokens and passwords to another machine over
	// plain http.
	AllowHTTP bool
	// Retry controls how often calls are retried, and the waits in between.
	Retry RetryPolicy
	// Rate is the largest number of requests per second, retries included; 0
	// means no limit.
	Rate float64
	// Debug receives a dump of each request and answer, with secrets masked.
	// Its Write method is not called concurrently.
	Debug io.Writer
	// Now returns the time by this machine's clock; nil means time.Now.
	Now func() time.Time

	// Transport sends the requests; nil means over the network, with the
	// settings above.
	Transport http.RoundTripper
}

// Client calls Mender's management API. It is safe for concurrent use.
type Client struct {
	server    string
	token     string
	allowHTTP bool
	once      bool // never retry a call
	timeout   time.Duration
	retry     RetryPolicy
	clock     *clock
	http      *resty.Client
}

// New returns a client without sending anything. It fails if the server's URL is
// invalid, or if the file with the certificate authority cannot be read.
func New(o Options) (*Client, error) {
	if o.Server == "" {
		o.Server = DefaultServer
	}
	server, err := urls.Server(o.Server)
	if err != nil {
		return nil, fmt.Errorf("invalid server URL: %w", err)
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.UserAgent == "" {
		o.UserAgent = "mender-webhooks"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Client{
		server: server, token: o.Token, allowHTTP: o.AllowHTTP, timeout: o.Timeout,
		retry: o.Retry.withDefaults(), clock: &clock{now: o.Now},
	}
	carrier := o.Transport
	if carrier == nil {
		config, err := httpclient.TLS{CACertFile: o.CACertFile, SkipVerify: o.SkipVerify}.Config()
		if err != nil {
			return nil, err
		}
		carrier = httpclient.NoUpgrade(httpclient.Transport(config))
	}
	if o.Debug != nil {
		carrier = &debugger{next: carrier, now: o.Now, out: o.Debug}
	}
	if o.Rate > 0 {
		carrier = &pacer{next: carrier, every: time.Duration(float64(time.Second) / o.Rate)}
	}
	carrier = &wholeBodies{next: carrier, most: maxAnswer}
	c.http = resty.NewWithClient(&http.Client{Transport: carrier, CheckRedirect: checkRedirect, Timeout: o.Timeout}).
		SetBaseURL(server).
		SetHeader("User-Agent", o.UserAgent).
		SetHeader("Accept", "application/json, application/jwt").
		SetLogger(quiet{}).
		// Without a Content-Length, a POST without a body is chunked, and
		// Mender rejects it as malformed or as the wrong content type.
		SetContentLength(true).
		OnAfterResponse(withBody)
	c.setRetries()
	return c, nil
}

// quiet discards resty's log messages, which would otherwise go to stderr.
type quiet struct{}

// Errorf implements resty.Logger.
func (quiet) Errorf(string, ...any) {}

// Warnf implements resty.Logger.
func (quiet) Warnf(string, ...any) {}

// Debugf implements resty.Logger.
func (quiet) Debugf(string, ...any) {}

// Server returns the server's URL in canonical form: all spellings of a URL give
// the same result.
func (c *Client) Server() string { return c.server }

// WithToken returns a client for the same server that uses another token. Both
// clients share their connections.
func (c *Client) WithToken(token string) *Client {
	other := *c
	other.token = token
	return &other
}

// WithoutRetries returns a client that never retries a call, for callers that
// retry calls themselves. Both clients share their connections.
func (c *Client) WithoutRetries() *Client {
	other := *c
	other.once = true
	return &other
}

// Close closes idle connections. The client remains usable.
func (c *Client) Close() { c.http.GetClient().CloseIdleConnections() }

// call is one API call, including all of its attempts.
type call struct {
	op     string
	method string
	path   string
	query  url.Values
	// body is encoded as JSON; nil sends no body.
	body any
	// user and password, if set, are sent instead of the token.
	user, password string
	// reads marks a POST that changes nothing, such as a search, so that it can
	// be retried.
	reads bool
	// accept lists the statuses that mean success; empty means only 200.
	accept []int
	// mayCreate is appended to the error if the outcome is unknown, such as
	// "the integration may have been created". Only calls that create something
	// set it.
	mayCreate string
	// secrets must not appear in errors or in the output of Debug.
	secrets []string

	once   bool   // never retry this call
	answer []byte // the body of the last answer

	id   string      // sent as X-MEN-RequestID
	sent atomic.Bool // it got a connection, so it may have arrived
	lost bool        // an earlier attempt may have arrived
	last error       // why the previous attempt failed
}

type callKey struct{}

// callOf returns the call in a request's context, or an empty one.
func callOf(ctx context.Context) *call {
	if k, ok := ctx.Value(callKey{}).(*call); ok {
		return k
	}
	return &call{}
}

// repeatable reports whether it is safe to send a call again even if an earlier
// attempt arrived.
func (k *call) repeatable() bool { return k.reads || k.method != http.MethodPost }

// refused returns the error for a call that the client refuses to make.
func (k *call) refused(kind, why error) *Error {
	return &Error{Op: k.op, Method: k.method, Path: k.path, Err: why, kinds: []error{kind}}
}

func (k *call) notFound(why string) *Error { return k.refused(ErrNotFound, errors.New(why)) }

// do makes a call. Any error that it returns is an *Error.
func (c *Client) do(ctx context.Context, k *call) (*resty.Response, error) {
	k.id, k.once = uuid.NewString(), c.once
	k.secrets = append(slices.Clip(k.secrets), c.token, k.password)
	if len(k.accept) == 0 {
		k.accept = []int{http.StatusOK}
	}
	if err := c.checkSecure(k); err != nil {
		return nil, k.refused(ErrInsecure, err)
	}
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { k.sent.Store(true) }}
	req := c.http.R().
		SetContext(httptrace.WithClientTrace(context.WithValue(ctx, callKey{}, k), trace)).
		SetHeader("X-MEN-RequestID", k.id).
		SetQueryParamsFromValues(k.query)
	switch {
	case k.user != "" || k.password != "":
		req.SetBasicAuth(k.user, k.password)
	case c.token != "":
		req.SetAuthToken(c.token)
	}
	if k.body != nil {
		raw, err := json.Marshal(k.body)
		if err != nil {
			return nil, k.refused(nil, fmt.Errorf("encode the request: %w", err))
		}
		req.SetHeader("Content-Type", "application/json").SetBody(raw)
	}
	resp, err := req.Execute(k.method, k.path)
	if failure := c.failure(ctx, k, resp, err); failure != nil {
		return nil, failure
	}
	return resp, nil
}

// checkSecure returns an error if the call would send a token or a password
// unencrypted.
func (c *Client) checkSecure(k *call) error {
	u, err := url.Parse(c.server)
	if err != nil {
		return err
	}
	if u.Scheme == "https" || c.allowHTTP || urls.IsLoopback(u.Hostname()) || c.token == "" && k.password == "" {
		return nil
	}
	return fmt.Errorf("%s is plain http: others could read the token or password in transit", c.server)
}

// list makes a call whose answer is a JSON list. The result is never nil: null
// counts as an empty list.
func list[T any](ctx context.Context, c *Client, op, path string) ([]T, error) {
	all := []T{}
	if err := c.get(ctx, op, path, &all); err != nil {
		return nil, err
	}
	if all == nil {
		all = []T{}
	}
	return all, nil
}

// decode decodes the JSON in an answer.
func (c *Client) decode(k *call, resp *resty.Response, into any) error {
	if err := json.Unmarshal(resp.Body(), into); err != nil {
		return c.badAnswer(k, resp, err)
	}
	return nil
}
