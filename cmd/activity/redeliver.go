package activity

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

type redeliverOptions struct {
	queryOptions
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
		Use:         "redeliver (EVENT-ID... | --failed [--since AGE])",
		Annotations: cli.PrintsResult(),
		Short:       "Send events again, from Mender's log or a store",
		Long: `Send events again: by id, or all events in Mender's log that failed.

An event from the log is rebuilt. Its id, type and data are the same, but its
bytes are not: the log has its own timestamps and sorts the JSON keys. It is
signed with the webhook's secret, and marked with the header
` + target.HeaderRebuilt + `. From listen's store (--store DIR, or --nats URL for a
cluster), the exact bytes are sent with their original signature.

Events go to --to, or to the webhook's URL. A duplicate, which the receiver
already has, counts as delivered. The exit code is 1 if an event was not
delivered.`,
		Example: `  mender-webhooks redeliver --failed --since 2h --secret-file hook.secret
  mender-webhooks redeliver 48919a10 --to http://localhost:3000/hook --secret-file hook.secret
  mender-webhooks redeliver --failed --since 1d --dry-run
  mender-webhooks redeliver 48919a10 --store /var/lib/mender-webhooks --to http://localhost:3000/hook`,
		Args: cli.Args(0, -1, "event ids"),
		PreRunE: cli.Rules{
			Against: map[string][]string{
				"EVENT-ID": {"failed"},
				"store":    {"nats", "nats-context", "failed"},
				"nats":     {"failed"}, "nats-context": {"failed"},
			},
			Needs: cli.NatsNeeds(map[string][]string{
				"since": {"failed"}, "until": {"failed"}, "type": {"failed"}, "device": {"failed"},
			}),
		}.Check,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRedeliver(cmd.Context(), a, o, args)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&o.failed, "failed", false, "send the events in Mender's log that failed")
	o.register(f, "with --failed: ")
	f.StringVar(&o.store, "store", "", "send events that listen stored in this `DIR`")
	o.nats.Register(f, "instead of --store: send events that listen stored on a cluster; comma-separated `URLS` of its servers")
	f.StringVar(&o.to, "to", "", "the receiver's `URL`; 3000 and localhost:3000/hook work, too (default: the webhook's URL)")
	o.secret.Register(f)
	o.target.Register(f)
	f.BoolVar(&o.dryRun, "dry-run", false, "show the events without sending them")
	completeTypes(cmd)
	return cmd
}

// stored reports whether the events come from listen's store.
func (o redeliverOptions) stored() bool { return o.store != "" || o.nats.Given() }

func (o *redeliverOptions) checkRedeliver(ids []string) error {
	switch {
	case len(ids) == 0 && !o.failed:
		return cli.Hinted(cli.Usagef("redeliver requires event ids or --failed"), "list failed events with `mender-webhooks activity --failed`")
	case o.stored() && o.to == "":
		return cli.Usagef("--store and --nats require --to URL")
	case o.to != "":
		if _, err := cli.ParseURL("--to", o.to); err != nil {
			return err
		}
	}
	return o.check()
}

func runRedeliver(ctx context.Context, a *cli.App, o redeliverOptions, ids []string) error {
	p, err := a.Printer()
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

// openTarget opens the target in --to or, without the flag, the webhook's URL.
func (o redeliverOptions) openTarget(ctx context.Context, a *cli.App) (target.Target, error) {
	to := o.to
	if to == "" {
		client, _, err := a.Connect()
		if err != nil {
			return nil, err
		}
		i, err := a.FindIntegration(ctx, client, "")
		if err != nil {
			return nil, cli.Hinted(err, "pass --to URL")
		}
		to = i.Credentials.HTTP.URL
	}
	u, err := cli.ParseURL("--to", to)
	if err != nil {
		return nil, err
	}
	return o.target.Open(a, httptarget.Options{URL: u, Timeout: webhook.DeliveryTimeout})
}
