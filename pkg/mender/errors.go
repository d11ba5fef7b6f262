package mender

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
)

// Causes of an Error, for errors.Is. An Error can have several causes, and gets
// its fault.Kind and hint from them, unless noted.
var (
	// ErrNotFound means that Mender has no such object.
	ErrNotFound = fault.New(fault.NotFound, "not found")
	// ErrUnauthorized means that the token is missing, malformed, expired or
	// revoked, or, for a login, that the password is wrong. Status 401.
	ErrUnauthorized = fault.New(fault.Access, "not logged in")
	// ErrForbidden means that the user lacks the permission. Status 403.
	ErrForbidden = fault.New(fault.Access, "not allowed")
	// ErrConflict means that the object already exists or is in use. Status
	// 409.
	ErrConflict = fault.New(fault.Conflict, "conflict")
	// ErrRateLimited means that there were too many requests. Status 429.
	ErrRateLimited = fault.WithHint(fault.New(fault.Unavailable, "too many requests"),
		"wait a minute and try again: the server limits the number of requests")
	// ErrUnreachable means that no answer came, or that the server or its
	// gateway failed (status 500 and above).
	ErrUnreachable = fault.New(fault.Unavailable, "server unreachable or failing")
	// ErrBadAnswer means that the answer is not Mender's: HTML, broken JSON, too
	// large, or a redirect.
	ErrBadAnswer = fault.WithHint(fault.New(fault.Unavailable, "not an answer from Mender's API"),
		"check that --server (or MENDER_SERVER_URL) names a Mender server; --debug shows the answer")
	// ErrOutcomeUnknown means that a request to create something may have
	// succeeded, but no usable answer came. It has a hint but no kind.
	ErrOutcomeUnknown = fault.WithHint(errors.New("outcome unknown"), "run `mender-webhooks list` before you try again")
	// ErrInsecure means that a token or password would have crossed the network
	// unencrypted. Nothing was sent.
	ErrInsecure = fault.WithHint(fault.New(fault.Usage, "unencrypted connection"),
		"use https, or pass --allow-http if the network is trusted")
	// ErrCertificate means that the server's certificate is not trusted. Such an
	// Error is also ErrUnreachable.
	ErrCertificate = fault.WithHint(fault.New(fault.Unavailable, "untrusted certificate"),
		"trust your own authority with --ca-cert FILE (or MENDER_CA_CERT); `mender-webhooks doctor` shows details")
	// ErrCredentials means that the credentials do not match the integration's
	// provider, or contain a placeholder instead of a secret. Nothing was sent.
	ErrCredentials = errors.New("invalid credentials")
)

// Causes with a hint, for requests that did not reach the server.
var (
	errProxy = fault.WithHint(fault.New(fault.Unavailable, "refused by a proxy"),
		"check HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and the user name and password in them")
	errPlainHTTP = fault.WithHint(fault.New(fault.Unavailable, "plain http"),
		"write http:// before the server's address if it has no https")
	errDial = fault.WithHint(fault.New(fault.Unavailable, "no connection"),
		"check the server's address; `mender-webhooks doctor` finds the cause")
)

// Error is a failed call. It contains no token, password or secret, even if
// the server's message quotes one.
type Error struct {
	// Op is the failed operation, such as "list the integrations".
	Op string
	// Method and Path are the request's; Path has no query.
	Method, Path string
	// StatusCode is the answer's status, or 0 if there was no answer.
	StatusCode int
	// Message is the server's own message, or empty. It comes from outside:
	// escape it before it reaches a terminal.
	Message string
	// RequestID is the id to quote to Mender's support: the one in the answer,
	// or else the one that was sent. It is empty if no connection was made.
	RequestID string
	// RetryAfter is how long the server asked to wait, without any cap, or 0.
	RetryAfter time.Duration
	// Err is the cause, or nil if the status says everything.
	Err error

	kinds []error
}

// Error returns the message in one line, without the request id.
func (e *Error) Error() string {
	parts := []string{e.Op}
	if e.StatusCode >= 300 {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%d %s", e.StatusCode, http.StatusText(e.StatusCode))))
	}
	if e.Message != "" {
		parts = append(parts, e.Message)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns Err and the causes of this package, the most specific first.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return e.kinds
	}
	return append([]error{e.Err}, e.kinds...)
}

// kindsOf returns the causes for a status. fromMender reports whether Mender
// itself answered, rather than a gateway in front of it.
func kindsOf(status int, fromMender bool) []error {
	switch {
	case status == http.StatusNotFound && !fromMender:
		return []error{ErrBadAnswer}
	case status == http.StatusNotFound:
		return []error{ErrNotFound}
	case status == http.StatusUnauthorized:
		return []error{ErrUnauthorized}
	case status == http.StatusForbidden:
		return []error{ErrForbidden}
	case status == http.StatusConflict:
		return []error{ErrConflict}
	case status == http.StatusTooManyRequests:
		return []error{ErrRateLimited}
	case status >= 500:
		return []error{ErrUnreachable}
	case status >= 300 && status < 400:
		return []error{ErrBadAnswer}
	}
	return nil
}
