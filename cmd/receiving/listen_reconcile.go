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

// start starts --recover and then --reconcile in the background.
func (r *repair) start(ctx context.Context, queue *relay.Queue) (_ <-chan struct{}, err error) {
	var run func(context.Context) time.Duration
	if r.options.reconcile > 0 {
		if run, err = r.reconciliation(ctx, queue); err != nil {
			return nil, err
		}
	}
	var recovered <-chan struct{}
	if r.options.recover {
		if recovered, err = r.startRecovery(ctx, queue); err != nil || run == nil {
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

// queue returns the flags that select the endpoint's queue.
func (r *repair) queue() *cli.QueueOptions {
	q := &cli.QueueOptions{Store: r.options.store, Nats: *r.options.nats.WithPrefix(r.endpoint.SubjectPrefix)}
	if q.Store != "" {
		q.Store = r.options.storeOf(r.endpoint.Name)
	}
	return q
}

// reconciliation returns a function that makes one run, reports its result, and returns
// the time until the next one. It returns an error if no run could ever succeed.
func (r *repair) reconciliation(ctx context.Context, queue *relay.Queue) (func(context.Context) time.Duration, error) {
	r.app.RequestRate = fleet.DefaultRate
	client, set, err := r.app.Connect()
	r.app.RequestRate = 0
	if err != nil {
		return nil, cli.Hinted(err, "log in, or leave out --reconcile: only --reconcile uses the server")
	}
	owner := fleet.Owner{Server: client.Server(), Organization: set.Organization}
	if err := r.checkKnown(ctx, queue, owner); err != nil {
		return nil, fmt.Errorf("--reconcile: %w", err)
	}
	s := &fleet.Stored{Queue: queue}
	return func(ctx context.Context) time.Duration {
		reconciler := &fleet.Reconciler{
			Devices: client, Log: eventlog.New(client), Secret: r.signingSecret,
			Settle: fleet.DefaultSettle, DeepEvery: deepEvery,
		}
		var report fleet.Report
		var err error
		if r.options.store != "" {
			report, err = s.InFolder(ctx, r.options.storeOf(r.endpoint.Name), owner, reconciler)
		} else {
			report, err = s.OnCluster(ctx, queue, owner, reconciler)
		}
		return r.sayReconciled(ctx, report, err)
	}, nil
}

// checkKnown returns an error if the known state cannot be used. What may be temporary
// is left to the runs.
func (r *repair) checkKnown(ctx context.Context, queue *relay.Queue, owner fleet.Owner) (err error) {
	if r.options.store != "" {
		err = fleet.CheckInFolder(r.options.storeOf(r.endpoint.Name), owner)
	} else {
		err = fleet.CheckOnCluster(ctx, queue, owner)
	}
	if fault.KindOf(err) != fault.Usage {
		return nil
	}
	return err
}

// sayReconciled reports the result of a run and returns the time until the next one.
func (r *repair) sayReconciled(ctx context.Context, report fleet.Report, err error) time.Duration {
	every := r.options.reconcile
	retry := min(every, reconcileRetry)
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, relay.ErrLeased):
		r.say("reconcile: %v; trying again in %s", err, output.Duration(retry))
		return retry
	case errors.Is(err, fleet.ErrSuspicious):
		r.warn("--reconcile: %v; to see what would be sent, run `mender-webhooks reconcile %s --dry-run --force`", err, r.queue().Flags())
	case err != nil:
		r.warn("--reconcile: %v; trying again in %s", err, output.Duration(retry))
		return retry
	default:
		r.say("reconcile: %s", report)
		r.warnReconciled(report)
	}
	return every
}

func (r *repair) warnReconciled(report fleet.Report) {
	if report.Lost {
		r.warn("--reconcile: the queue no longer has all events: changes that were missed until now cannot be found")
	}
	if report.Stale > 0 {
		r.warn("--reconcile: inventory and deviceauth disagree on %s; the next weekly run reads deviceauth; to compare now, run `mender-webhooks reconcile %s --deep`",
			cli.Plural(report.Stale, "device"), r.queue().Flags())
	}
}
