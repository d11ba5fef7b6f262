package receiver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// forwardTimeout is how long a target may take by default to accept an event
// while Mender waits. Mender gives up after 10 seconds, counted from before the
// request arrives here.
const forwardTimeout = 9 * time.Second

// ForwardTo returns a function for Options.Accept that forwards each event to
// the target at once and returns the target's answer. It answers with 502 if the
// target cannot be reached, and with 504 if the target does not answer within the
// timeout, which starts when the request arrives; 0 means 9 s. Answer.Forward
// reports the attempt.
func ForwardTo(t target.Target, timeout time.Duration) func(context.Context, *Request) Answer {
	if timeout == 0 {
		timeout = forwardTimeout
	}
	return func(ctx context.Context, req *Request) Answer {
		ctx, cancel := context.WithDeadline(ctx, req.ReceivedAt.Add(timeout))
		defer cancel()
		r := t.Deliver(ctx, target.Event{ID: req.ID, Type: string(req.Type), Header: req.Header, Body: req.Body})
		fwd := &Forward{
			URL:        t.String(),
			Status:     r.Status,
			DurationMS: float64(r.Duration.Microseconds()) / 1000,
			Attempt:    1,
		}
		answer := answerOf(r)
		switch {
		case r.Status != 0 && (r.Status < 200 || r.Status > 599):
			fwd.Status, fwd.Error = 0, fmt.Sprintf("the application answered with status %d", r.Status)
			answer = reply(http.StatusBadGateway, fwd.Error)
		case r.Status == 0 && r.Err != nil:
			var status int
			status, fwd.Error = failure(r.Err, timeout)
			fwd.Err = r.Err
			answer = reply(status, fwd.Error)
		}
		answer.Forward = fwd
		return answer
	}
}

// answerOf turns the target's answer into the answer to the sender.
func answerOf(r target.Result) Answer {
	answer := Answer{Status: r.Status, Header: http.Header{}, Duplicate: r.Duplicate && r.Err == nil}
	if r.Answer == nil {
		return answer
	}
	if r.Status != http.StatusNoContent && r.Status != http.StatusNotModified { // which have no body
		answer.Body = r.Answer.Body
	}
	for _, name := range []string{"Content-Type", "Content-Encoding", "Retry-After", "Location", target.HeaderDuplicate} {
		if values := r.Answer.Header.Values(name); len(values) > 0 {
			answer.Header[name] = values
		}
	}
	return answer
}

// failure returns the status and the text to answer with if the target did not
// answer.
func failure(err error, timeout time.Duration) (status int, text string) {
	switch {
	case errors.Is(err, context.Canceled):
		return http.StatusBadGateway, "the sender disconnected before the application answered"
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, fmt.Sprintf("the application did not answer within %s", timeout)
	}
	return http.StatusBadGateway, fmt.Sprintf("cannot reach the application: %v", err)
}
