package receiving

import (
	"context"
	"errors"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/fleet"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

const (
	// deepEvery is how often --reconcile reads deviceauth.
	deepEvery = 7 * 24 * time.Hour
	// reconcileRetry is the longest wait after a run that failed.
	reconcileRetry = 10 * time.Minute
)

// startRepair starts --recover and then --reconcile in the background.
func (l *listening) startRepair(ctx context.Context, queue *relay.Queue) (<-chan struct{}, error) {
	recovered := func() {}
	if l.options.relay.recover {
		done, err := l.startRecovery(ctx, queue)
		if err != nil || l.options.relay.reconcile == 0 {
			return done, err
		}
		recovered = func() { <-done }
	}
	run, err := l.reconciliation(queue)
	if err != nil {
		return nil, err
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		recovered()
		for ctx.Err() == nil {
			wait := run(ctx)
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
		}
	}()
	return finished, nil
}

// reconciliation returns a function that makes one run, reports its result, and returns
// the time until the next one.
func (l *listening) reconciliation(queue *relay.Queue) (func(context.Context) time.Duration, error) {
	l.app.RequestRate = fleet.DefaultRate
	client, set, err := l.app.Connect()
	l.app.RequestRate = 0
	if err != nil {
		return nil, cli.Hinted(err, "log in, or leave out --reconcile: only --reconcile uses the server")
	}
	owner := fleet.Owner{Server: client.Server(), Organization: set.Organization}
	s := &fleet.Stored{Queue: queue}
	return func(ctx context.Context) time.Duration {
		r := &fleet.Reconciler{
			Devices: client, Log: eventlog.New(client), Secret: l.signingSecret,
			Settle: fleet.DefaultSettle, DeepEvery: deepEvery,
		}
		var report fleet.Report
		var err error
		if dir := l.options.relay.store; dir != "" {
			report, err = s.InFolder(ctx, dir, owner, r)
		} else {
			report, err = s.OnCluster(ctx, queue, owner, r)
		}
		return l.sayReconciled(ctx, report, err)
	}, nil
}

// sayReconciled reports the result of a run and returns the time until the next one.
func (l *listening) sayReconciled(ctx context.Context, report fleet.Report, err error) time.Duration {
	every := l.options.relay.reconcile
	retry := min(every, reconcileRetry)
	switch {
	case ctx.Err() != nil || errors.Is(err, relay.ErrLeased):
	case errors.Is(err, fleet.ErrSuspicious):
		l.app.Warn("--reconcile: %v; to see what would be sent, run `mender-webhooks reconcile %s --dry-run --force`", err, l.options.relay.queue().Flags())
	case err != nil:
		l.app.Warn("--reconcile: %v; trying again in %s", err, output.Duration(retry))
		return retry
	default:
		l.app.Say("reconcile: %s", report)
		l.warnReconciled(report)
	}
	return every
}

func (l *listening) warnReconciled(report fleet.Report) {
	if report.Lost {
		l.app.Warn("--reconcile: the queue no longer has all events: changes that were missed until now cannot be found")
	}
	if report.Stale > 0 {
		l.app.Warn("--reconcile: inventory and deviceauth disagree on %s; the next weekly run reads deviceauth; to compare now, run `mender-webhooks reconcile %s --deep`",
			cli.Plural(report.Stale, "device"), l.options.relay.queue().Flags())
	}
}
