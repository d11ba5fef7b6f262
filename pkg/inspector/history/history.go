// Package history shows the events of a listener's hub, and sends requests to the
// application again. The page of listen --inspect and the screen of listen
// --interactive share it, and so show the same. A Log shows the events of Mender's log
// in the same form, for the screen of activity --follow --interactive.
package history

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// replayTimeout limits one attempt to send a request again.
const replayTimeout = 30 * time.Second

// ErrGone reports that the hub's history does not have the request, or no longer.
var ErrGone = errors.New("this request is no longer in the history")

var (
	errNoApplication = errors.New("there is no application: start listen with --forward-to")
	errRefused       = errors.New("the request was refused: only accepted requests are sent to the application")
)

// History is the history of a listener's hub, which has events only while at least one
// subscriber uses it. It is safe for concurrent use.
type History struct {
	// Listener is the listener to show. Requests are sent again to the current targets
	// of the endpoint that got them.
	Listener *listener.Listener
}

// Find returns the request with the number, or ErrGone.
func (h *History) Find(number uint64) (listener.Received, error) {
	if e, ok := h.Listener.Hub().Find(number); ok {
		if r, ok := e.(listener.Received); ok {
			return r, nil
		}
	}
	return listener.Received{}, ErrGone
}

// Answer returns the application's answer to the attempt with the number. The error is
// ErrGone if the history does not have it, or no longer.
func (h *History) Answer(number uint64) (Answer, error) {
	e, _ := h.Listener.Hub().Find(number)
	a, ok := e.(listener.Attempted)
	if !ok || a.Answer == nil {
		return Answer{}, ErrGone
	}
	return Answer{Header: a.Answer.Header, Body: strings.ToValidUTF8(string(a.Answer.Body), "\uFFFD")}, nil
}

// Answer is the answer of an application. Its body is truncated at 64 KiB.
type Answer struct {
	Header http.Header `json:"header"`
	Body   string      `json:"body"`
}

// Accepted is like Find, but returns an error that says why if the request must
// not reach the application.
func (h *History) Accepted(number uint64) (listener.Received, error) {
	e, err := h.Find(number)
	switch v := e.Verification.Verdict; {
	case err != nil:
	case h.Listener.Application(e.Endpoint) == nil:
		err = errNoApplication
	case v != webhook.Valid && v != webhook.Unchecked:
		err = errRefused
	}
	return e, err
}

// Replay sends the exact bytes of an accepted request to the application again.
func (h *History) Replay(ctx context.Context, number uint64) (Attempt, error) {
	e, err := h.Accepted(number)
	if err != nil {
		return Attempt{}, err
	}
	return h.Deliver(ctx, e.Endpoint, target.Event{ID: e.ID, Type: string(e.Type), Header: target.EndToEnd(e.Header), Body: e.Body})
}

// Attempt is the result of sending a request to the application again.
type Attempt struct {
	Target     string      `json:"target"`
	Status     int         `json:"status"` // of the answer; 0 if there was none
	Error      string      `json:"error"`  // empty if the application accepted the event
	DurationMS float64     `json:"duration_ms"`
	Header     http.Header `json:"header,omitempty"`
	Body       string      `json:"body,omitempty"`
}

// Deliver makes one attempt to deliver an event to the application of an endpoint. It
// returns an error if there is none.
func (h *History) Deliver(ctx context.Context, endpoint string, e target.Event) (Attempt, error) {
	application := h.Listener.Application(endpoint)
	if application == nil {
		return Attempt{}, errNoApplication
	}
	ctx, cancel := context.WithTimeout(ctx, replayTimeout)
	defer cancel()
	result := application.Deliver(ctx, e)
	attempt := Attempt{Target: application.String(), Status: result.Status, DurationMS: milliseconds(result.Duration)}
	if result.Err != nil {
		attempt.Error = result.Err.Error()
	}
	if a := result.Answer; a != nil {
		attempt.Header, attempt.Body = a.Header, strings.ToValidUTF8(string(a.Body), "\uFFFD")
	}
	return attempt, nil
}
