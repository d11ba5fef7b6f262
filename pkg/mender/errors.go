package mender

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// What an Error can be, for errors.Is. More than one can hold.
var (
	// ErrNotFound: Mender says, or the list shows, that there is no such thing.
	ErrNotFound = errors.New("not found")
	// ErrUnauthorized: no token, or one that is malformed, expired or
	// revoked; for a login, the wrong password. Status 401.
	ErrUnauthorized = errors.New("not logged in")
	// ErrForbidden: the user lacks the right. Status 403.
	ErrForbidden = errors.New("not allowed")
	// ErrConflict: it exists already, or is in use. Status 409.
	ErrConflict = errors.New("conflict")
	// ErrRateLimited: too many requests. Status 429.
	ErrRateLimited = errors.New("too many requests")
	// ErrUnreachable: no answer came, or the server or its gateway failed
	// (status 500 and above).
	ErrUnreachable = errors.New("server out of reach, or failing")
	// ErrBadAnswer: an answer came that is not Mender's: HTML, broken JSON,
	// too much of it, a redirect.
	ErrBadAnswer = errors.New("not an answer of Mender's API")
	// ErrOutcomeUnknown: a request that creates something may have arrived,
	// and nothing says whether it did. Look before trying again.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrInsecure: a token or password would have gone over plain http to
	// another machine. Nothing was sent.
	ErrInsecure = errors.New("unencrypted connection")
	// ErrCertificate: the server's certificate can't be trusted. It comes
	// together with ErrUnreachable.
	ErrCertificate = errors.New("untrusted certificate")
	// ErrCredentials: credentials that don't fit their integration, or that
	// hold a placeholder in place of a secret. Nothing was sent.
	ErrCredentials = errors.New("unfit credentials")
)

// Error is a call that failed. It never holds a token, a password or a
// secret, not even where the server's words quote one.
type Error struct {
	// Op is what was being done, such as "list the integrations".
	Op string
	// Method and Path are those of the request; Path has no query.
	Method, Path string
	// StatusCode is the answer's status; 0 where there was no answer.
	StatusCode int
	// Message holds the server's own words, or "" where it gave none. It is
	// text from outside: make it safe before it reaches a terminal.
	Message string
	// RequestID is what Mender's support asks for: the id in the answer, or
	// the one that was sent where the answer has none.
	RequestID string
	// RetryAfter is how long the server asked to be left alone, uncapped; 0
	// where it did not.
	RetryAfter time.Duration
	// Err is the cause, where it is not the status alone.
	Err error

	kinds []error
}

// Error gives it in one line, without the request id.
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

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether the error is of one of this package's kinds.
func (e *Error) Is(target error) bool {
	for _, kind := range e.kinds {
		if kind == target {
			return true
		}
	}
	return false
}

// kindsOf says what a status means. With words, Mender itself has spoken, and
// not something in front of it that happens to answer 404.
func kindsOf(status int, words bool) []error {
	switch {
	case status == http.StatusNotFound && !words:
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
