// Package replay sends events from Mender's log or from listen's store to a target
// again.
package replay

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// The values of target.HeaderRebuilt in the events that FromLog and FromState
// return.
const (
	RebuiltFromLog   = "from-log"
	RebuiltFromState = "from-state"
)

// FromLog rebuilds a delivery from an event in Mender's log, signed with the
// secret if there is one. The log contains neither the bytes nor the time of the
// original delivery, so target.HeaderRebuilt marks the event as rebuilt.
func FromLog(e mender.Event, secret webhook.Secret) (target.Event, error) {
	return rebuild(e.Event, secret, RebuiltFromLog)
}

// FromState makes a delivery of an event that was synthesized from the state of a
// device, signed with the secret if there is one. target.HeaderRebuilt marks it.
func FromState(e webhook.Event, secret webhook.Secret) (target.Event, error) {
	return rebuild(e, secret, RebuiltFromState)
}

func rebuild(e webhook.Event, secret webhook.Secret, mark string) (target.Event, error) {
	body, err := e.MarshalJSON()
	if err != nil {
		return target.Event{}, fmt.Errorf("rebuild event %s: %w", e.ID, err)
	}
	header := webhook.Header(body, secret)
	header.Set("User-Agent", "Go-http-client/1.1") // Mender's
	header.Set(target.HeaderRebuilt, mark)
	return target.Event{ID: e.ID, Type: string(e.Type), Header: header, Body: body}, nil
}

// Send delivers the events one after the other, so that they arrive in order, and
// calls report with each result. It stops when ctx is done or report fails, and
// returns that error. A duplicate counts as a success.
func Send(ctx context.Context, t target.Target, events []target.Event, report func(target.Event, target.Result) error) error {
	for _, e := range events {
		if err := ctx.Err(); err != nil {
			return err
		}
		r := t.Deliver(ctx, e)
		if err := ctx.Err(); err != nil && r.Err != nil {
			return err
		}
		if r.Duplicate {
			r.Err = nil
		}
		if err := report(e, r); err != nil {
			return err
		}
	}
	return nil
}

const (
	// tries is how often an event is sent, at most, to an application that answers
	// with a temporary failure.
	tries   = 3
	minWait = 500 * time.Millisecond
	maxWait = 10 * time.Second
)

// Patient delivers events to a target that may be unreachable for a while.
type Patient struct {
	Target target.Target
	// Refused is called for an event that the application refused and that is not
	// sent again.
	Refused func(target.Event, target.Result)
	// Away is called for the first attempt without an answer, and Back for the
	// first success after it.
	Away func(target.Event, target.Result)
	Back func()
}

// Deliver sends an event and returns once the application has accepted or refused
// it, however long the application is unreachable. If ctx ends first, Deliver
// returns its error.
func (p Patient) Deliver(ctx context.Context, e target.Event) error {
	away := false
	wait := minWait
	for try := 1; ; try++ {
		r := p.Target.Deliver(ctx, e)
		switch {
		case r.Err == nil || r.Duplicate:
			if away {
				p.Back()
			}
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case r.Permanent || r.Status != 0 && (try >= tries || !worthRetrying(r.Status)):
			p.Refused(e, r)
			return nil
		case r.Status == 0 && !away:
			away = true
			p.Away(e, r)
		}
		select {
		case <-time.After(max(wait, min(r.RetryAfter, maxWait))):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		wait = min(2*wait, maxWait)
	}
}

func worthRetrying(status int) bool { return status >= 500 || status == http.StatusTooManyRequests }
