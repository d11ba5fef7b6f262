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

// The paths of the two services, below the server's URL.
const (
	iotManager = "/api/management/v1/iot-manager"
	useradm    = "/api/management/v1/useradm"
)

// maxAnswer is how much of an answer is read, in bytes: 500 events, each with
// the inventory of a device, and room to spare.
const maxAnswer = 32 << 20

// DefaultTimeout is how long one attempt of a request may take.
const DefaultTimeout = 30 * time.Second

// Options say which server a Client talks to, as whom and how.
type Options struct {
	// Server is the server's URL; see ParseServer. "" is DefaultServer.
	Server string
	// Token is the JWT of a session or a personal access token; "" will do
	// for Login.
	Token string
	// UserAgent is what the client calls itself; "" is mender-webhooks.
	UserAgent string
	// Timeout is for one attempt, its answer included; 0 is DefaultTimeout.
	Timeout time.Duration
	// CACertFile is a PEM file with an authority to trust beside the
	// system's.
	CACertFile string
	// SkipVerify takes any certificate of the server's.
	SkipVerify bool
	// AllowHTTP lets tokens and passwords go to another machine over plain
	// http.
	AllowHTTP bool
	// Retry says how often and how patiently calls are repeated.
	Retry RetryPolicy
	// Debug gets each request and answer, with what is secret masked.
	// Writes to it don't overlap.
	Debug io.Writer
	// Now is this machine's clock; nil is time.Now.
	Now func() time.Time

	// Transport carries the requests; nil is the network, with the settings
	// above.
	Transport http.RoundTripper
}

// Client calls Mender's management API. It is safe for concurrent use.
type Client struct {
	server    string
	token     string
	allowHTTP bool
	once      bool // no call is repeated
	timeout   time.Duration
	retry     RetryPolicy
	clock     *clock
	http      *resty.Client
}

// New makes a client. It sends nothing. It fails where the server's URL can't
// be used (ErrServerURL) or the authority can't be read.
func New(o Options) (*Client, error) {
	if o.Server == "" {
		o.Server = DefaultServer
	}
	server, err := ParseServer(o.Server)
	if err != nil {
		return nil, err
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
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
	carrier = &wholeBodies{next: carrier, most: maxAnswer}
	c.http = resty.NewWithClient(&http.Client{Transport: carrier, CheckRedirect: checkRedirect, Timeout: o.Timeout}).
		SetBaseURL(server).
		SetHeader("User-Agent", o.UserAgent).
		SetHeader("Accept", "application/json, application/jwt").
		SetLogger(quiet{}).
		// Otherwise a POST without a body goes out chunked, which Mender
		// takes for a body that is broken, or of the wrong type.
		SetContentLength(true).
		OnAfterResponse(withBody)
	c.setRetries()
	return c, nil
}

// quiet drops what resty would say on stderr.
type quiet struct{}

// Errorf implements resty.Logger.
func (quiet) Errorf(string, ...any) {}

// Warnf implements resty.Logger.
func (quiet) Warnf(string, ...any) {}

// Debugf implements resty.Logger.
func (quiet) Debugf(string, ...any) {}

// Server returns the server's URL as ParseServer gives it.
func (c *Client) Server() string { return c.server }

// WithToken returns a client for the same server with another token. The two
// share their connections.
func (c *Client) WithToken(token string) *Client {
	other := *c
	other.token = token
	return &other
}

// WithoutRetries returns a client that repeats no call, for callers that do so
// themselves. The two share their connections.
func (c *Client) WithoutRetries() *Client {
	other := *c
	other.once = true
	return &other
}

// Close lets go of idle connections. The client can still be used.
func (c *Client) Close() { c.http.GetClient().CloseIdleConnections() }

// call is one request of the API, over all of its attempts.
type call struct {
	op     string
	method string
	path   string
	query  url.Values
	// body is sent as JSON; nil is none.
	body any
	// user and password, where set, take the token's place.
	user, password string
	// accept are the statuses that mean success; none is 200.
	accept []int
	// mayCreate is what may have come to be if the answer got lost, such as
	// "the integration may have been created".
	mayCreate string
	// secrets are what must not be seen in errors and on Debug.
	secrets []string

	once   bool   // it is not repeated
	answer []byte // the body of the last answer

	id   string      // the request's own id
	sent atomic.Bool // a connection has been had: it may have arrived
	// lost says that an earlier attempt of a call may have arrived.
	lost bool
	last error // why the attempt before failed
}

type callKey struct{}

// callOf returns the call that a request belongs to.
func callOf(ctx context.Context) *call {
	if k, ok := ctx.Value(callKey{}).(*call); ok {
		return k
	}
	return &call{}
}

// repeatable reports whether a call can be sent again although it may have
// arrived.
func (k *call) repeatable() bool { return k.method != http.MethodPost }

// refused is the error of a call that is not made.
func (k *call) refused(kind, why error) *Error {
	return &Error{Op: k.op, Method: k.method, Path: k.path, Err: why, kinds: []error{kind}}
}

func (k *call) notFound(why string) *Error { return k.refused(ErrNotFound, errors.New(why)) }

// do makes a call. The error is an *Error.
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

// checkSecure refuses to send a token or a password in clear.
func (c *Client) checkSecure(k *call) error {
	u, err := url.Parse(c.server)
	if err != nil {
		return err
	}
	if u.Scheme == "https" || c.allowHTTP || urls.IsLoopback(u.Hostname()) || c.token == "" && k.password == "" {
		return nil
	}
	return fmt.Errorf("%s is plain http: a token or password sent there can be read on the way; use https", c.server)
}

// list makes a call that reads a JSON list. The list is never nil: null counts
// as an empty one.
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

// decode reads an answer's JSON.
func (c *Client) decode(k *call, resp *resty.Response, into any) error {
	if err := json.Unmarshal(resp.Body(), into); err != nil {
		return c.badAnswer(k, resp, err)
	}
	return nil
}
