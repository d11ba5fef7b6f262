package activity

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

type redeliverOptions struct {
	activityOptions
	to     string
	store  string
	nats   cli.NatsFlags
	dryRun bool
	secret cli.SecretFlags
	target cli.TargetFlags
}

// NewRedeliverCmd returns the redeliver command.
func NewRedeliverCmd(a *cli.App) *cobra.Command {
	o := redeliverOptions{}
	cmd := &cobra.Command{
		Use:   "redeliver (EVENT-ID... | --failed [--since AGE])",
		Short: "Send events again, from Mender's log or from listen's store",
		Long: `Send events again: those that are named, or those in Mender's log that failed.

From the log an event can only be rebuilt: its id, type and data are the same,
its bytes are not (the log has its own time, and sorts the keys). It is signed
anew with the webhook's secret, and marked with the header
` + target.HeaderRebuilt + `. From listen's store (--store DIR, or --nats URL for the one on
a cluster) the stored bytes are sent, exactly, with the signature they came with.

Without --to it goes where the webhook's URL points. A receiver that had the
event already says so, and that is no failure. Exit code 1 means that one was
not delivered.`,
		Example: `  mender-webhooks redeliver --failed --since 2h --secret-file hook.secret
  mender-webhooks redeliver 48919a10 --to http://localhost:3000/hook --secret-file hook.secret
  mender-webhooks redeliver --failed --since 1d --dry-run
  mender-webhooks redeliver 48919a10-2fbd-4ab4-8420-e2cb959938a4 --store /var/lib/mender-webhooks --to http://localhost:3000/hook`,
		Args: cli.Args(0, -1, "events' ids"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRedeliver(cmd.Context(), a, o, args)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&o.failed, "failed", false, "events in Mender's log of which a delivery failed")
	f.StringVar(&o.since, "since", "", "with --failed: since an `AGE` (2h, 7d; by the server's clock) or a time in RFC 3339")
	f.StringVar(&o.until, "until", "", "with --failed: until an `AGE` or a time")
	f.StringSliceVar(&o.types, "type", nil, "with --failed: events of a `TYPE` alone (repeatable)")
	f.StringVar(&o.device, "device", "", "with --failed: events of one device, by `ID`")
	f.StringVar(&o.store, "store", "", "send what listen stored in this `DIR`, byte for byte")
	o.nats.Register(f, "in place of --store: send what listen stored on this cluster, its servers' `URLS`")
	f.StringVar(&o.to, "to", "", "send to this `URL`; 3000 and localhost:3000/hook are understood, too (default: the webhook's own)")
	o.secret.Register(f)
	o.target.Register(f)
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would be sent, and send nothing")
	_ = cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(cli.StringsOf(webhook.EventTypes()), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// stored reports whether events are taken from listen's own store.
func (o redeliverOptions) stored() bool { return o.store != "" || o.nats.Given() }

func (o *redeliverOptions) checkRedeliver(ids []string) error {
	switch {
	case len(ids) == 0 && !o.failed:
		return cli.Hinted(cli.Usagef("redeliver needs events' ids, or --failed"), "`mender-webhooks activity --failed` shows which ones failed")
	case len(ids) > 0 && o.failed:
		return cli.Usagef("give events' ids or --failed, not both")
	case o.stored() && o.failed:
		return cli.Hinted(cli.Usagef("--failed is for Mender's log"), "for the store's dead letters there is `mender-webhooks queue retry --all`")
	case o.stored() && o.to == "":
		return cli.Usagef("with --store or --nats, say --to URL")
	case o.to != "":
		if _, err := cli.ParseURL("--to", o.to); err != nil {
			return err
		}
	}
	o.limit = 1
	return o.check()
}

func runRedeliver(ctx context.Context, a *cli.App, o redeliverOptions, ids []string) error {
	p, err := a.Open(output.Table, false, output.Table, output.JSON, output.JSONL, output.YAML, output.Name)
	if err != nil {
		return err
	}
	if err := o.checkRedeliver(ids); err != nil {
		return err
	}
	events, err := o.gather(ctx, a, ids)
	if err != nil {
		return err
	}
	t, err := o.openTarget(ctx, a)
	if err != nil {
		return err
	}
	defer func() { _ = t.Close() }()
	if o.dryRun {
		return o.show(a, p, t, events)
	}
	return o.send(ctx, a, p, t, events)
}

// openTarget opens --to, or the webhook's own URL.
func (o redeliverOptions) openTarget(ctx context.Context, a *cli.App) (target.Target, error) {
	to := o.to
	if to == "" {
		client, err := a.Connect()
		if err != nil {
			return nil, err
		}
		i, err := a.FindIntegration(ctx, client, "")
		if err != nil {
			return nil, cli.Hinted(err, "say where to send with --to URL")
		}
		to = i.Credentials.HTTP.URL
	}
	u, err := cli.ParseURL("--to", to)
	if err != nil {
		return nil, err
	}
	return o.target.Open(a, httptarget.Options{URL: u, Timeout: webhook.DeliveryTimeout})
}
