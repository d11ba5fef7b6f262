package activity

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/fleet"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

type reconcileOptions struct {
	state     string
	to        string
	store     string
	nats      cli.NatsFlags
	dryRun    bool
	bootstrap bool
	deep      bool
	force     bool
	settle    time.Duration
	rate      float64
	secret    cli.SecretFlags
	target    cli.TargetFlags
}

// NewReconcileCmd returns the reconcile command.
func NewReconcileCmd(a *cli.App) *cobra.Command {
	o := reconcileOptions{}
	cmd := &cobra.Command{
		Use:         "reconcile (--store DIR | --nats URL | --state FILE --to URL)",
		Annotations: cli.PrintsResult(),
		Short:       "Find and send the events that Mender lost",
		Long: `Compare the known status of every device with its status in Mender, and send
an event for each difference. After a run, the last status that the application
knows for each device is the one in Mender. Statuses that a device had in
between are not recovered.

With --store or --nats, the known statuses come from the events that listen
stored, waiting events and dead letters included. Events are stored there, too,
and listen forwards them. The first run records devices that have no event.

With --state and --to, for an application that gets no webhooks, the known
statuses come from earlier runs. The first run records all devices and sends
nothing. With --bootstrap, it sends events for them instead.

A difference counts only if two checks, --settle apart, both find it. If
Mender's log explains it, that event is sent; otherwise, an event is made from
the device's state, with an id that is the same in every run. Both are signed
and marked with the header X-Mender-Webhooks-Rebuilt. An interrupted run
continues when you run the command again.

If many devices are gone, or Mender's answers contradict each other, nothing is
sent unless you pass --force. Run it regularly, such as once a day.`,
		Example: `  mender-webhooks reconcile --store /var/lib/mender-webhooks --secret-file hook.secret
  mender-webhooks reconcile --state devices.state --to http://localhost:3000/hook --dry-run
  mender-webhooks reconcile --state devices.state --to http://localhost:3000/hook --secret-file hook.secret`,
		Args: cli.Args(0, 0, "no arguments, only flags"),
		PreRunE: cli.Rules{
			Against: map[string][]string{
				"store": {"state", "to", "target-skip-verify", "nats", "nats-context"},
				"nats":  {"state", "to", "target-skip-verify"}, "nats-context": {"state", "to", "target-skip-verify"},
			},
			Needs: cli.NatsNeeds(map[string][]string{}),
		}.Check,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runReconcile(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.store, "store", "", "compare with the events that listen stored in this `DIR`, and store events there")
	o.nats.Register(f, "instead of --store: compare with the events that listen stored on a cluster; comma-separated `URLS` of its servers")
	f.StringVar(&o.state, "state", "", "instead of --store: `FILE` with the known status of each device (mode 0600)")
	f.StringVar(&o.to, "to", "", "with --state: the application's `URL`; 3000 and localhost:3000/hook work, too")
	o.secret.Register(f)
	o.target.Register(f)
	f.BoolVar(&o.dryRun, "dry-run", false, "show the events without sending them")
	f.BoolVar(&o.bootstrap, "bootstrap", false, "in the first run, send events for all devices")
	f.BoolVar(&o.deep, "deep", false, "read deviceauth instead of inventory: slower, but correct even if inventory was down")
	f.BoolVar(&o.force, "force", false, "send events even if Mender's answers look implausible")
	f.DurationVar(&o.settle, "settle", fleet.DefaultSettle, "time between two checks, a `DURATION` of at least 10s")
	f.Float64Var(&o.rate, "rate", fleet.DefaultRate, "requests per second to Mender, at most `N`")
	return cmd
}

// stored reports whether the events are in a queue.
func (o *reconcileOptions) stored() bool { return o.store != "" || o.nats.Given() }

func (o *reconcileOptions) check() error {
	switch {
	case o.state == "" && !o.stored():
		return cli.Hinted(cli.Usagef("reconcile requires --store, --nats or --state"), "pass the folder of `mender-webhooks listen --store`; without one, pass --state FILE, which the first run creates")
	case o.state != "" && o.to == "" && !o.dryRun:
		return cli.Hinted(cli.Usagef("--state requires --to URL"), "pass --dry-run to see what would be sent")
	case !(o.rate >= 0.1): // also true for NaN
		return cli.Usagef("invalid --rate %v: must be at least 0.1", o.rate)
	}
	return nil
}

func runReconcile(ctx context.Context, a *cli.App, o reconcileOptions) (err error) {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	a.RequestRate = o.rate
	client, set, err := a.Connect()
	if err != nil {
		return err
	}
	if err := fleet.CheckSettle(client.Server(), o.settle); err != nil {
		return cli.Usagef("invalid --settle %s: %w", o.settle, err)
	}
	view := newReconcileView(a, p, o)
	r := &fleet.Reconciler{
		Devices: client, Log: eventlog.New(client),
		Settle: o.settle, Deep: o.deep, Bootstrap: o.bootstrap, Force: o.force, DryRun: o.dryRun,
		Announced: view.announced, Progress: view.progress,
	}
	if err := o.setSecret(ctx, a, r); err != nil {
		return err
	}
	run := o.runOnState
	if o.stored() {
		run = o.runOnQueue
	}
	report, err := run(ctx, a, fleet.Owner{Server: client.Server(), Organization: set.Organization}, r)
	if err := view.finish(ctx, report, err); err != nil {
		return err
	}
	if report.Refused > 0 {
		return cli.Hinted(cli.Failf(fault.Failed, "%s refused by the application", cli.Plural(report.Refused, "event")), "fix the application, then run reconcile again to send them")
	}
	return nil
}

// setSecret sets the secret to sign events with.
func (o *reconcileOptions) setSecret(ctx context.Context, a *cli.App, r *fleet.Reconciler) error {
	secret, err := o.secret.One(ctx, a)
	if err != nil {
		return err
	}
	if secret.IsZero() && !o.dryRun {
		a.Warn("no secret is known: events are sent unsigned")
	}
	r.Secret = func() webhook.Secret { return secret }
	return nil
}

// runOnState runs with a file of known statuses and an application.
func (o *reconcileOptions) runOnState(ctx context.Context, a *cli.App, owner fleet.Owner, r *fleet.Reconciler) (_ fleet.Report, err error) {
	if o.to != "" {
		u, err := cli.ParseURL("--to", o.to)
		if err != nil {
			return fleet.Report{}, err
		}
		t, err := o.target.Open(a, httptarget.Options{URL: u, Timeout: webhook.DeliveryTimeout, Connections: 1})
		if err != nil {
			return fleet.Report{}, err
		}
		defer func() { _ = t.Close() }() // never fails
		r.Outbox = fleet.To(t)
	}
	if r.State, err = fleet.OpenState(o.state, owner); err != nil {
		return fleet.Report{}, err
	}
	defer func() { err = errors.Join(err, r.State.Close()) }()
	return r.Run(ctx)
}

// runOnQueue runs with the queue in listen's store, or on a cluster.
func (o *reconcileOptions) runOnQueue(ctx context.Context, a *cli.App, owner fleet.Owner, r *fleet.Reconciler) (_ fleet.Report, err error) {
	dir := ""
	if o.store != "" {
		if dir, err = filepath.Abs(o.store); err != nil { // the working directory may change
			return fleet.Report{}, err
		}
		if err := relay.CheckOwner(dir); err != nil {
			return fleet.Report{}, fmt.Errorf("--store: %w", err)
		}
	}
	queue, err := (&cli.QueueOptions{Store: dir, Nats: o.nats}).Attach(ctx, a)
	if err != nil {
		return fleet.Report{}, err
	}
	defer func() { err = errors.Join(err, queue.Close()) }()
	s := &fleet.Stored{Queue: queue.Queue, Waiting: func() {
		a.Say("waiting events use more than half of the queue: pausing until the application has accepted some")
	}}
	var report fleet.Report
	if dir != "" {
		report, err = s.InFolder(ctx, dir, owner, r)
	} else {
		report, err = s.OnCluster(ctx, queue.Queue, owner, r)
	}
	if errors.Is(err, relay.ErrLeased) {
		err = cli.Hinted(cli.Failf(fault.Conflict, "%w", err), "try again later; the lease of a killed process ends after a minute")
	}
	if err == nil && o.dryRun {
		err = sayUndelivered(ctx, a, s, cli.QueueOptions{Store: o.store, Nats: o.nats})
	}
	return report, err
}

// maxUndelivered is how many events sayUndelivered lists.
const maxUndelivered = 20

// sayUndelivered lists the events that count as known, although the application does
// not have them yet.
func sayUndelivered(ctx context.Context, a *cli.App, s *fleet.Stored, queue cli.QueueOptions) error {
	n := 0
	var listed []relay.Entry
	for e, err := range s.Undelivered(ctx) {
		if err != nil {
			return err
		}
		if n++; n <= maxUndelivered {
			listed = append(listed, e)
		}
	}
	if n == 0 {
		return nil
	}
	a.Say("%s: known, although the application has not accepted them yet", cli.Plural(n, "event"))
	for _, e := range listed {
		a.Say("  %s %s, %s", e.Type, e.ID, stateText(e.State))
	}
	if n > maxUndelivered {
		a.Say("  and %d more; to see them all, run `mender-webhooks queue list %[2]s` and `mender-webhooks queue list %[2]s --state dead`", n-maxUndelivered, queue.Flags())
	}
	return nil
}

func stateText(s relay.State) string {
	if s == relay.Dead {
		return "dead letter"
	}
	return string(s)
}
