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

// DefaultServer is hosted Mender in the United States.
const DefaultServer = "https://hosted.mender.io"

// maxAnswer is the largest answer that is read, in bytes: 500 events, each with
// the inventory of a device, and room to spare.
const maxAnswer = 32 << 20

// defaultTimeout bounds one attempt of a request.
const defaultTimeout = 30 * time.Second

// Options are the settings of a Client.
type Options struct {
	// Server is the server's URL, https if it has no scheme; empty means
	// DefaultServer.
	Server string
	// Token is the JWT of a session or a personal access token. Login needs
	// none.
	Token string
	// UserAgent is the name of the client; empty means mender-webhooks.
	UserAgent string
	// Timeout bounds one attempt, including its answer; 0 means 30 s.
	Timeout time.Duration
	// CACertFile is a PEM file with an authority to trust in addition to the
	// system's.
	CACertFile string
	// SkipVerify accepts any certificate of the server.
	SkipVerify bool
	// AllowHTTP allows tokens and passwords to go to another machine in plain
	// http.
	AllowHTTP bool
	// Retry is how often, and after which pauses, calls are retried.
	Retry RetryPolicy
	// Debug receives each request and answer, with secrets masked. Writes do
	// not overlap.
	Debug io.Writer
	// Now is this machine's clock; nil means time.Now.
	Now func() time.Time

	// Transport carries the requests; nil means the network, with the settings
	// above.
	Transport http.RoundTripper
}

// Client calls Mender's management API. It is safe for concurrent use.
type Client struct {
	server    string
	token     string
	allowHTTP bool
	once      bool // no call is retried
	timeout   time.Duration
	retry     RetryPolicy
	clock     *clock
	http      *resty.Client
}

// New returns a client and sends nothing. It fails if the server's URL is
// invalid, or if the authority cannot be read.
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
	carrier = &wholeBodies{next: carrier, most: maxAnswer}
	c.http = resty.NewWithClient(&http.Client{Transport: carrier, CheckRedirect: checkRedirect, Timeout: o.Timeout}).
		SetBaseURL(server).
		SetHeader("User-Agent", o.UserAgent).
		SetHeader("Accept", "application/json, application/jwt").
		SetLogger(quiet{}).
		// Otherwise a POST without a body is chunked, which Mender takes for a
		// broken body, or for one of the wrong type.
		SetContentLength(true).
		OnAfterResponse(withBody)
	c.setRetries()
	return c, nil
}

// quiet drops the messages of resty, which go to stderr.
type quiet struct{}

// Errorf implements resty.Logger.
func (quiet) Errorf(string, ...any) {}

// Warnf implements resty.Logger.
func (quiet) Warnf(string, ...any) {}

// Debugf implements resty.Logger.
func (quiet) Debugf(string, ...any) {}

// Server returns the server's URL in a form that is the same for all spellings.
func (c *Client) Server() string { return c.server }

// WithToken returns a client for the same server with another token. The two
// share their connections.
func (c *Client) WithToken(token string) *Client {
	other := *c
	other.token = token
	return &other
}

// WithoutRetries returns a client that retries no call, for callers that do so
// themselves. The two share their connections.
func (c *Client) WithoutRetries() *Client {
	other := *c
	other.once = true
	return &other
}

// Close closes idle connections. The client can still be used.
func (c *Client) Close() { c.http.GetClient().CloseIdleConnections() }

// call is one request of the API, including all of its attempts.
type call struct {
	op     string
	method string
	path   string
	query  url.Values
	// body is sent as JSON; nil means none.
	body any
	// user and password are sent instead of the token, if set.
	user, password string
	// reads marks a POST that changes nothing, such as a search.
	reads bool
	// accept are the statuses that mean success; empty means 200.
	accept []int
	// mayCreate is added to the error if the answer got lost, such as "the
	// integration may have been created".
	mayCreate string
	// secrets must not appear in errors or on Debug.
	secrets []string

	once   bool   // it is not retried
	answer []byte // the body of the last answer

	id   string      // the request's own id
	sent atomic.Bool // there was a connection, so it may have arrived
	lost bool        // an earlier attempt may have arrived
	last error       // why the previous attempt failed
}

type callKey struct{}

// callOf returns the call that a request belongs to.
func callOf(ctx context.Context) *call {
	if k, ok := ctx.Value(callKey{}).(*call); ok {
		return k
	}
	return &call{}
}

// repeatable reports whether a call can be sent again even if it has arrived.
func (k *call) repeatable() bool { return k.reads || k.method != http.MethodPost }

// refused returns the error of a call that is not made.
func (k *call) refused(kind, why error) *Error {
	return &Error{Op: k.op, Method: k.method, Path: k.path, Err: why, kinds: []error{kind}}
}

func (k *call) notFound(why string) *Error { return k.refused(ErrNotFound, errors.New(why)) }

// do makes a call. It returns an *Error.
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

// checkSecure refuses to send a token or a password unencrypted.
func (c *Client) checkSecure(k *call) error {
	u, err := url.Parse(c.server)
	if err != nil {
		return err
	}
	if u.Scheme == "https" || c.allowHTTP || urls.IsLoopback(u.Hostname()) || c.token == "" && k.password == "" {
		return nil
	}
	return fmt.Errorf("%s is plain http: others could read the token or password on the way", c.server)
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
