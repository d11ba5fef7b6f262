package filter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// Target returns a target that passes the events that match to next, and skips all
// others. An expression that fails, or takes more than 100 ms for an event, makes a
// permanent error; with skipErrors, the event is skipped with that error. The
// error contains no values of the event.
//
// If the expression is still running for several earlier events, because a built-in
// function cannot be interrupted, the error is not permanent.
func (f *Filter) Target(next target.Target, skipErrors bool) target.Target {
	return &filtered{Target: next, filter: f, skipErrors: skipErrors}
}

// filtered is a target behind a filter. It inherits String and Close.
type filtered struct {
	target.Target
	filter     *Filter
	skipErrors bool
}

func (t *filtered) Deliver(ctx context.Context, e target.Event) target.Result {
	if r := t.Select(ctx, e); r.Skipped || r.Err != nil {
		return r
	}
	return t.Target.Deliver(ctx, e)
}

// Select implements target.Selective.
func (t *filtered) Select(ctx context.Context, e target.Event) target.Result {
	start := time.Now()
	matched, err := t.filter.matches(ctx, e.Body)
	r := target.Result{Duration: time.Since(start)}
	switch {
	case err == nil && matched:
	case ctx.Err() != nil:
		r.Err = ctx.Err()
	case err == nil:
		r.Skipped = true
	default:
		r.Err = fmt.Errorf("filter: %w", err)
		r.Skipped = !errors.Is(err, errBusy)
		r.Permanent = r.Skipped && !t.skipErrors
	}
	return r
}
