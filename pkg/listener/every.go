package listener

import (
	"context"
	"fmt"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// Every returns a target that delivers an event to each of several targets, one after
// the other, and reports the first failure. Use it to send an event again. It returns
// nil without targets. The Listener, not the returned target, closes them.
func Every(targets []Target) target.Target {
	if len(targets) == 0 {
		return nil
	}
	return every(targets)
}

type every []Target

// Deliver implements target.Target.
func (e every) Deliver(ctx context.Context, event target.Event) (result target.Result) {
	for i, t := range e {
		r := t.Deliver(ctx, event)
		if r.Err != nil && len(e) > 1 {
			r.Err = fmt.Errorf("%s: %w", t.Route, r.Err)
		}
		r.Duration += result.Duration
		if i == 0 || result.Err == nil {
			result = r
		} else {
			result.Duration = r.Duration
		}
	}
	return result
}

// String implements target.Target.
func (e every) String() string {
	names := make([]string, len(e))
	for i, t := range e {
		names[i] = t.String()
	}
	return strings.Join(names, ", ")
}

// Close implements target.Target.
func (every) Close() error { return nil }
