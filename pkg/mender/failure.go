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
)

// maxMessage is how much of the server's words is kept, in bytes.
const maxMessage = 4 << 10

// failure makes the error of what came back of a call, or nil where that is
// what was wanted.
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
	e := c.newError(k, resp)
	e.RetryAfter = retryAfter(resp.Header(), c.clock.now())
	words := isMender(resp)
	e.Message = c.words(k, resp)
	e.kinds = kindsOf(e.StatusCode, words)
	switch {
	case e.StatusCode < 400:
		e.Err = c.redirected(resp)
	case e.Message == "" && isHTML(resp):
		e.Err = fmt.Errorf("the answer is a web page, not Mender's API; is %s the right server?", c.server)
	case e.StatusCode == http.StatusNotFound && !words:
		e.Err = fmt.Errorf("there is no Mender API; is %s the right server?", c.server)
	case e.StatusCode >= 502 && !words:
		e.Err = errors.New("a gateway answered, not Mender itself")
	}
	if e.StatusCode >= 500 && k.mayCreate != "" {
		c.outcomeUnknown(k, e)
	}
	return e
}

// newError fills in what every error of a call has.
func (c *Client) newError(k *call, resp *resty.Response) *Error {
	e := &Error{Op: k.op, Method: k.method, Path: k.path, RequestID: k.id}
	if resp != nil && resp.RawResponse != nil {
		e.StatusCode = resp.StatusCode()
		if id := resp.Header().Get("X-Men-Requestid"); id != "" {
			e.RequestID = id
		} else if id := said(resp).RequestID; id != "" {
			e.RequestID = id
		}
	}
	return e
}

// noAnswer is the error of a request that no whole answer came to.
func (c *Client) noAnswer(ctx context.Context, k *call, resp *resty.Response, err error) error {
	e := c.newError(k, resp)
	var outer *url.Error
	if errors.As(err, &outer) { // it would repeat the method and the URL
		err = outer.Err
	}
	var timeout net.Error
	switch {
	case ctx.Err() != nil:
		e.StatusCode = 0 // the answer to an earlier attempt
		e.Err = context.Cause(ctx)
		if k.last != nil {
			e.Err = fmt.Errorf("%w, after: %w", e.Err, reason(k.last))
		}
	case errors.Is(err, resty.ErrResponseBodyTooLarge):
		e.kinds = []error{ErrBadAnswer}
		e.Err = fmt.Errorf("the answer is over %d MiB", maxAnswer>>20)
	case errors.As(err, &timeout) && timeout.Timeout():
		e.kinds = []error{ErrUnreachable}
		e.Err = fmt.Errorf("no whole answer from %s within %s", c.server, c.timeout)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		e.kinds = []error{ErrUnreachable}
		e.Err = fmt.Errorf("%s broke off the connection: %w", c.server, err)
	case untrusted(err):
		e.kinds = []error{ErrUnreachable, ErrCertificate}
		e.Err = fmt.Errorf("no trusted connection to %s: %w", c.server, err)
	default:
		e.kinds = []error{ErrUnreachable}
		e.Err = fmt.Errorf("%s can't be reached: %w", c.server, err)
	}
	if k.mayCreate != "" && k.sent.Load() {
		c.outcomeUnknown(k, e)
	}
	return e
}

// reason leaves out of an error what the one around it says.
func reason(err error) error {
	var e *Error
	if errors.As(err, &e) {
		short := *e
		short.Op = "the server"
		return &short
	}
	return err
}

// badAnswer is the error of an answer with a good status whose body is not
// what it should be.
func (c *Client) badAnswer(k *call, resp *resty.Response, cause error) error {
	e := c.newError(k, resp)
	e.kinds = []error{ErrBadAnswer}
	var syntax *json.SyntaxError
	switch body := bytes.TrimSpace(resp.Body()); {
	case isHTML(resp):
		e.Err = fmt.Errorf("the answer is a web page, not Mender's API; is %s the right server?", c.server)
	case len(body) == 0 && cause != nil && errors.As(cause, &syntax):
		e.Err = fmt.Errorf("the answer of %s is empty", c.server)
	case errors.As(cause, &syntax) && (body[0] == '{' || body[0] == '['):
		e.Err = fmt.Errorf("the answer of %s is broken off or damaged, after %d bytes", c.server, len(body))
	default:
		e.Err = fmt.Errorf("the answer of %s is not what Mender answers: %w", c.server, cause)
	}
	if k.mayCreate != "" {
		c.outcomeUnknown(k, e)
	}
	return e
}

// outcomeUnknown adds to an error that the call may have had its effect.
func (c *Client) outcomeUnknown(k *call, e *Error) {
	e.kinds = append(e.kinds, ErrOutcomeUnknown)
	text := k.mayCreate + " all the same: look before trying again"
	if e.Err == nil {
		e.Err = errors.New(text)
	} else {
		e.Err = fmt.Errorf("%w; %s", e.Err, text)
	}
}

// redirected says where the server wanted to send a request on to.
func (c *Client) redirected(resp *resty.Response) error {
	to, err := resp.RawResponse.Location()
	if err != nil {
		return fmt.Errorf("is %s the right server?", c.server)
	}
	return fmt.Errorf("a redirect to %s://%s is not followed, since it would take the token along; is %s the right server?",
		to.Scheme, visible(to.Host), c.server)
}

// answerError is the body of an error of Mender's.
type answerError struct {
	Error     string `json:"error"`
	RequestID string `json:"request_id"`
}

func said(resp *resty.Response) answerError {
	var a answerError
	if json.Unmarshal(resp.Body(), &a) != nil {
		return answerError{}
	}
	return a
}

// isMender reports whether it is Mender that answered, and not something in
// front of it.
func isMender(resp *resty.Response) bool {
	return resp.Header().Get("X-Men-Requestid") != "" || said(resp).Error != ""
}

// words returns what the server says went wrong, with what is secret masked:
// it quotes a secret that it does not take.
func (c *Client) words(k *call, resp *resty.Response) string {
	text := said(resp).Error
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return c.masker.text(text, k.secrets...)
}

func isHTML(resp *resty.Response) bool {
	return strings.Contains(resp.Header().Get("Content-Type"), "html") ||
		bytes.HasPrefix(bytes.TrimSpace(resp.Body()), []byte("<"))
}
