package fleet

import (
	"context"
	"fmt"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/replay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// To returns an Outbox that delivers to an application. It retries a few times if the
// application fails, and returns an error if it cannot be reached.
func To(t target.Target) Outbox { return application{t} }

type application struct{ target target.Target }

// Send implements Outbox. An event that the application knows counts as sent: an
// interrupted run has sent it.
func (a application) Send(ctx context.Context, e target.Event) (Outcome, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	outcome := Sent
	var reason error
	err := replay.Patient{
		Target: a.target,
		Refused: func(_ target.Event, r target.Result) {
			outcome, reason = Refused, r.Err
		},
		Away: func(_ target.Event, r target.Result) {
			cancel(fault.WithHint(fault.New(fault.Failed, "deliver to %s: %w", a.target, r.Err),
				"start the application and run the command again: it continues"))
		},
	}.Deliver(ctx, e)
	if err != nil {
		return "", fmt.Errorf("event %s: %w", e.ID, err)
	}
	return outcome, reason
}
