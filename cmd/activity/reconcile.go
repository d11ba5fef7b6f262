package activity

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/fleet"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

type reconcileOptions struct {
	state     string
	to        string
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
		Use:         "reconcile --state FILE --to URL",
		Annotations: cli.PrintsResult(),
		Short:       "Find and send the events that Mender lost",
		Long: `Compare the known status of every device with its status in Mender, and send
an event for each difference. Then the application's last known status of each
device is Mender's. Statuses in between stay unknown.

The known statuses are those that earlier runs sent, in the file --state. The
first run records all devices without sending anything, or with --bootstrap,
sends an event for each. This form is for an application that gets no webhooks.

A difference counts if two looks, --settle apart, found it. If Mender's log
explains it, that event is sent; otherwise, an event is made from the device's
state, with an id that is the same in every run. Both are signed and marked with
the header X-Mender-Webhooks-Rebuilt. An interrupted run continues when you run
the command again.

If many devices are gone, or what Mender shows contradicts itself, nothing is
sent, unless you pass --force. Run it regularly, such as once a day.`,
		Example: `  mender-webhooks reconcile --state devices.state --to http://localhost:3000/hook --dry-run
  mender-webhooks reconcile --state devices.state --to http://localhost:3000/hook --secret-file hook.secret
  mender-webhooks reconcile --state devices.state --to http://localhost:3000/hook --deep`,
		Args: cli.Args(0, 0, "no arguments, only flags"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runReconcile(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.state, "state", "", "`FILE` with the known status of each device (mode 0600)")
	f.StringVar(&o.to, "to", "", "the application's `URL`, or short for one on this machine: 3000 or localhost:3000/hook")
	o.secret.Register(f)
	o.target.Register(f)
	f.BoolVar(&o.dryRun, "dry-run", false, "show the events without sending them")
	f.BoolVar(&o.bootstrap, "bootstrap", false, "in the first run, send events for all devices")
	f.BoolVar(&o.deep, "deep", false, "read deviceauth instead of inventory: slower, but right if inventory was down")
	f.BoolVar(&o.force, "force", false, "send events although Mender's answers are implausible")
	f.DurationVar(&o.settle, "settle", 2*time.Minute, "time between two looks, a `DURATION` of at least 10s")
	f.Float64Var(&o.rate, "rate", 4, "requests per second to Mender, at most `N`")
	return cmd
}

func (o *reconcileOptions) check() error {
	switch {
	case o.state == "":
		return cli.Hinted(cli.Usagef("reconcile requires --state FILE"), "the first run creates the file")
	case o.to == "" && !o.dryRun:
		return cli.Hinted(cli.Usagef("reconcile requires --to URL"), "pass --dry-run to see what would be sent")
	case o.rate < 0.1:
		return cli.Usagef("invalid --rate %v: must be at least 0.1", o.rate)
	}
	return o.target.Check("--to", o.to)
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
	outbox, secret, err := o.outbox(ctx, a)
	if err != nil {
		return err
	}
	state, err := fleet.OpenState(o.state, fleet.Owner{Server: client.Server(), Organization: set.Organization})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, state.Close()) }()
	view := newReconcileView(a, p, o)
	r := &fleet.Reconciler{
		Devices: client, Log: eventlog.New(client), State: state, Outbox: outbox,
		Secret: func() webhook.Secret { return secret },
		Settle: o.settle, Deep: o.deep, Bootstrap: o.bootstrap, Force: o.force, DryRun: o.dryRun,
		Announced: view.announced, Progress: view.progress,
	}
	report, err := r.Run(ctx)
	if err := view.finish(ctx, report, err); err != nil {
		return err
	}
	if report.Refused > 0 {
		return cli.Hinted(cli.Failf(fault.Failed, "%s refused by the application", cli.Plural(report.Refused, "event")), "the next run sends them again")
	}
	return nil
}

// outbox returns the destination of the events, and the secret to sign them with.
func (o *reconcileOptions) outbox(ctx context.Context, a *cli.App) (fleet.Outbox, webhook.Secret, error) {
	if o.to == "" {
		return nil, webhook.Secret{}, nil
	}
	u, err := cli.ParseURL("--to", o.to)
	if err != nil {
		return nil, webhook.Secret{}, err
	}
	secret, err := o.secret.One(ctx, a)
	if err != nil {
		return nil, secret, err
	}
	if secret.IsZero() && !o.dryRun {
		a.Warn("no secret is known: events are sent unsigned")
	}
	t, err := o.target.Open(a, httptarget.Options{URL: u, Timeout: webhook.DeliveryTimeout, Connections: 1})
	if err != nil {
		return nil, secret, err
	}
	return fleet.To(t), secret, nil
}
