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

// start starts --recover and then --reconcile in the background.
func (r *repair) start(ctx context.Context, queue *relay.Queue) (<-chan struct{}, error) {
	recovered := func() {}
	if r.options.recover {
		done, err := r.startRecovery(ctx, queue)
		if err != nil || r.options.reconcile == 0 {
			return done, err
		}
		recovered = func() { <-done }
	}
	run, err := r.reconciliation(queue)
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

// queue returns the flags that select the endpoint's queue.
func (r *repair) queue() *cli.QueueOptions {
	q := &cli.QueueOptions{Store: r.options.store, Nats: *r.options.nats.WithPrefix(r.endpoint.SubjectPrefix)}
	if q.Store != "" {
		q.Store = r.options.storeOf(r.endpoint.Name)
	}
	return q
}

// reconciliation returns a function that makes one run, reports its result, and returns
// the time until the next one.
func (r *repair) reconciliation(queue *relay.Queue) (func(context.Context) time.Duration, error) {
	r.app.RequestRate = fleet.DefaultRate
	client, set, err := r.app.Connect()
	r.app.RequestRate = 0
	if err != nil {
		return nil, cli.Hinted(err, "log in, or leave out --reconcile: only --reconcile uses the server")
	}
	owner := fleet.Owner{Server: client.Server(), Organization: set.Organization}
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

// sayReconciled reports the result of a run and returns the time until the next one.
func (r *repair) sayReconciled(ctx context.Context, report fleet.Report, err error) time.Duration {
	every := r.options.reconcile
	retry := min(every, reconcileRetry)
	switch {
	case ctx.Err() != nil || errors.Is(err, relay.ErrLeased):
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
