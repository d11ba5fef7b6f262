package mender

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-resty/resty/v2"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/httpclient"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/redact"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/retryafter"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/urls"
)

// maxMessage is how much of a server's message is retained, in bytes.
const maxMessage = 4 << 10

// failure returns the error for an answer or for a missing answer, or nil if the
// call succeeded.
func (c *Client) failure(ctx context.Context, k *call, resp *resty.Response, err error) error {
	if resp != nil && resp.RawResponse != nil {
		c.clock.observe(resp.Header(), resp.Time())
	}
	if err != nil {
		return c.noAnswer(ctx, k, resp, err)
	}
	if slices.Contains(k.accept, resp.StatusCode()) {
		return nil
	}
	if status := resp.StatusCode(); status < 300 {
		return c.badAnswer(k, resp, fmt.Errorf("unexpected status %d", status))
	}
	return c.refusal(k, resp)
}

// refusal returns the error for an answer with a status of 300 or above.
func (c *Client) refusal(k *call, resp *resty.Response) error {
	e := c.newError(k, resp)
	e.RetryAfter = retryafter.Parse(resp.Header(), c.clock.now())
	fromMender := isMender(resp)
	e.Message = c.message(k, resp)
	e.kinds = kindsOf(e.StatusCode, fromMender)
	switch {
	case e.StatusCode == http.StatusProxyAuthRequired:
		e.kinds, e.RequestID, e.Err = []error{errProxy}, "", fmt.Errorf("%s refused the request", c.proxyName(resp))
	case e.StatusCode < 400:
		e.Err = c.redirected(k, resp)
		return e
	case e.Message == "" && isHTML(resp):
		e.Err = fmt.Errorf("the answer is a web page, not Mender's API; is %s the right server?", c.server)
	case e.StatusCode == http.StatusNotFound && !fromMender:
		e.Err = fmt.Errorf("no Mender API at this address; is %s the right server?", c.server)
	case e.StatusCode >= 502 && !fromMender:
		e.Err = errors.New("a gateway answered, not Mender itself")
	}
	c.hintAtPath(e)
	if e.StatusCode >= 500 && k.mayCreate != "" {
		c.outcomeUnknown(k, e)
	}
	return e
}

// newError returns an Error with the fields that all errors of a call share.
func (c *Client) newError(k *call, resp *resty.Response) *Error {
	e := &Error{Op: k.op, Method: k.method, Path: k.path}
	if k.sent.Load() || k.lost {
		e.RequestID = k.id
	}
	if resp != nil && resp.RawResponse != nil {
		e.StatusCode = resp.StatusCode()
		if id := resp.Header().Get("X-Men-Requestid"); id != "" {
			e.RequestID = id
		} else if id := errorBody(resp).RequestID; id != "" {
			e.RequestID = id
		}
	}
	return e
}

// noAnswer returns the error for a request without a complete answer.
func (c *Client) noAnswer(ctx context.Context, k *call, resp *resty.Response, err error) error {
	e := c.newError(k, resp)
	if ctx.Err() != nil {
		e.StatusCode = 0 // the status is from an earlier attempt
		e.Err = context.Cause(ctx)
		if k.last != nil {
			e.Err = fmt.Errorf("%w, after: %v", e.Err, withoutOp(k.last)) //nolint:errorlint // must not inherit its kind
		}
	} else {
		e.kinds, e.Err = c.diagnose(urls.Cause(err))
	}
	if k.mayCreate != "" && k.sent.Load() {
		c.outcomeUnknown(k, e)
	}
	return e
}

// diagnose returns the causes and the description of a missing answer.
func (c *Client) diagnose(err error) ([]error, error) {
	var (
		timeout net.Error
		op      *net.OpError
		refused *httpclient.ProxyError
	)
	switch {
	case errors.Is(err, resty.ErrResponseBodyTooLarge):
		return []error{ErrBadAnswer}, fmt.Errorf("the answer is over %d MiB", maxAnswer>>20)
	case errors.As(err, &refused):
		return []error{errProxy, ErrUnreachable}, err
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return []error{errProxy, ErrUnreachable}, fmt.Errorf("%s cannot be reached: %w", c.proxyName(nil), op.Err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return []error{ErrUnreachable}, fmt.Errorf("no complete answer from %s within %s", c.server, c.timeout)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return []error{ErrUnreachable}, fmt.Errorf("%s closed the connection: %w", c.server, err)
	case errors.Is(err, http.ErrSchemeMismatch):
		return []error{errPlainHTTP, ErrUnreachable}, fmt.Errorf("%s answers in plain http: %w", c.server, err)
	case untrusted(err):
		return []error{ErrCertificate, ErrUnreachable}, fmt.Errorf("no trusted connection to %s: %w", c.server, err)
	case errors.As(err, &op) && op.Op == "dial":
		return []error{errDial, ErrUnreachable}, fmt.Errorf("%s cannot be reached: %w", c.server, err)
	}
	return []error{ErrUnreachable}, fmt.Errorf("%s cannot be reached: %w", c.server, err)
}

// proxyName returns a description of the proxy that a request went through.
func (c *Client) proxyName(resp *resty.Response) string {
	target := c.server
	if resp != nil && resp.RawResponse != nil && resp.RawResponse.Request != nil {
		target = resp.RawResponse.Request.URL.String()
	}
	req, err := http.NewRequest(http.MethodGet, target, http.NoBody) //nolint:noctx // it is not sent
	if err != nil {
		return "a proxy"
	}
	proxy, err := http.ProxyFromEnvironment(req)
	if err != nil || proxy == nil {
		return "a proxy"
	}
	return "the proxy " + proxy.Host
}

// withoutOp replaces the operation in an error, for an outer error that already
// names it.
func withoutOp(err error) error {
	var e *Error
	if errors.As(err, &e) {
		short := *e
		short.Op = "the server"
		return &short
	}
	return err
}

// badAnswer returns the error for an answer whose status is a success but whose
// body is not Mender's.
func (c *Client) badAnswer(k *call, resp *resty.Response, cause error) error {
	e := c.newError(k, resp)
	e.kinds = []error{ErrBadAnswer}
	var syntax *json.SyntaxError
	var form *json.UnmarshalTypeError
	switch body := bytes.TrimSpace(resp.Body()); {
	case isHTML(resp):
		e.Err = fmt.Errorf("the answer is a web page, not Mender's API; is %s the right server?", c.server)
	case len(body) == 0 && cause != nil && errors.As(cause, &syntax):
		e.Err = fmt.Errorf("empty answer from %s", c.server)
	case errors.As(cause, &syntax) && (body[0] == '{' || body[0] == '['):
		e.Err = fmt.Errorf("answer from %s truncated or damaged after %d bytes", c.server, len(body))
	case errors.As(cause, &form): // its text names Go's types
		e.Err = fmt.Errorf("unexpected answer from %s: unexpected JSON %s", c.server, form.Value)
	default:
		e.Err = fmt.Errorf("unexpected answer from %s: %w", c.server, cause)
	}
	c.hintAtPath(e)
	if k.mayCreate != "" {
		c.outcomeUnknown(k, e)
	}
	return e
}

// hintAtPath adds a hint if the answer is not Mender's and the server's URL has
// a path, since such URLs tend to be copied from a browser.
func (c *Client) hintAtPath(e *Error) {
	u, err := url.Parse(c.server)
	if err != nil || strings.Trim(u.Path, "/") == "" || e.Err == nil || !errors.Is(e, ErrBadAnswer) {
		return
	}
	e.Err = fault.WithHint(e.Err, "use %s://%s: the server's address usually has no path", u.Scheme, u.Host)
}

// outcomeUnknown adds to an error that the call may have succeeded.
func (c *Client) outcomeUnknown(k *call, e *Error) {
	e.kinds = append([]error{ErrOutcomeUnknown}, e.kinds...)
	if e.Err == nil {
		e.Err = errors.New(k.mayCreate)
	} else {
		e.Err = fmt.Errorf("%w; %s", e.Err, k.mayCreate)
	}
}

// redirected returns the reason for not following a redirect.
func (c *Client) redirected(k *call, resp *resty.Response) error {
	to, err := resp.RawResponse.Location()
	if err != nil {
		return fmt.Errorf("is %s the right server?", c.server)
	}
	from := resp.RawResponse.Request.URL
	target := to.Scheme + "://" + visible(to.Host)
	switch {
	case from.Scheme == "http" && to.Scheme == "https" && from.Hostname() == to.Hostname():
		return fault.WithHint(fmt.Errorf("the server redirects to %s", target), "use %s", target)
	case from.Scheme != to.Scheme || from.Host != to.Host:
		return fmt.Errorf("the server redirects to %s, which is not followed: the token is only for %s", target, c.server)
	case k.method != http.MethodGet:
		return fmt.Errorf("the server redirects to %s%s: redirects are followed only for reads", target, visible(to.Path))
	}
	return fmt.Errorf("the server redirects more than %d times", maxRedirects)
}

// answerError is the JSON body of Mender's error answers.
type answerError struct {
	Error     string `json:"error"`
	RequestID string `json:"request_id"`
}

func errorBody(resp *resty.Response) answerError {
	var a answerError
	if json.Unmarshal(resp.Body(), &a) != nil {
		return answerError{}
	}
	return a
}

// isMender reports whether Mender itself answered, rather than a gateway in
// front of it.
func isMender(resp *resty.Response) bool {
	return resp.Header().Get("X-Men-Requestid") != "" || errorBody(resp).Error != ""
}

// message returns the server's own message with secrets masked, since Mender
// quotes a secret that it refuses.
func (c *Client) message(k *call, resp *resty.Response) string {
	text := errorBody(resp).Error
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return redact.Text(text, k.secrets...)
}

func isHTML(resp *resty.Response) bool {
	return strings.Contains(resp.Header().Get("Content-Type"), "html") ||
		bytes.HasPrefix(bytes.TrimSpace(resp.Body()), []byte("<"))
}
