package receiving

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
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
func (l *listening) startRepair(ctx context.Context, queue *relay.Queue) (_ <-chan struct{}, err error) {
	var run func(context.Context) time.Duration
	if l.options.relay.reconcile > 0 {
		if run, err = l.reconciliation(ctx, queue); err != nil {
			return nil, err
		}
	}
	var recovered <-chan struct{}
	if l.options.relay.recover {
		if recovered, err = l.startRecovery(ctx, queue); err != nil || run == nil {
			return recovered, err
		}
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		if recovered != nil {
			<-recovered
		}
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
// the time until the next one. It returns an error if no run could ever succeed.
func (l *listening) reconciliation(ctx context.Context, queue *relay.Queue) (func(context.Context) time.Duration, error) {
	l.app.RequestRate = fleet.DefaultRate
	client, set, err := l.app.Connect()
	l.app.RequestRate = 0
	if err != nil {
		return nil, cli.Hinted(err, "log in, or leave out --reconcile: only --reconcile uses the server")
	}
	owner := fleet.Owner{Server: client.Server(), Organization: set.Organization}
	if err := l.checkKnown(ctx, queue, owner); err != nil {
		return nil, fmt.Errorf("--reconcile: %w", err)
	}
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

// checkKnown returns an error if the known state cannot be used. What may be temporary
// is left to the runs.
func (l *listening) checkKnown(ctx context.Context, queue *relay.Queue, owner fleet.Owner) (err error) {
	if dir := l.options.relay.store; dir != "" {
		err = fleet.CheckInFolder(dir, owner)
	} else {
		err = fleet.CheckOnCluster(ctx, queue, owner)
	}
	if fault.KindOf(err) != fault.Usage {
		return nil
	}
	return err
}

// sayReconciled reports the result of a run and returns the time until the next one.
func (l *listening) sayReconciled(ctx context.Context, report fleet.Report, err error) time.Duration {
	every := l.options.relay.reconcile
	retry := min(every, reconcileRetry)
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, relay.ErrLeased):
		l.app.Say("reconcile: %v; trying again in %s", err, output.Duration(retry))
		return retry
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
