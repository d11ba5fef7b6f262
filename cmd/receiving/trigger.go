package receiving

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/suggest"
	"github.com/mender-webhooks/mender-webhooks/pkg/trigger"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

type triggerOptions struct {
	to       string
	dataFile string
	unsigned bool
	template trigger.Template
	load     trigger.Load
	secret   cli.SecretFlags
	target   cli.TargetFlags
	suite    suiteOptions
	request  requestOptions
}

// NewTriggerCmd returns the trigger command.
func NewTriggerCmd(a *cli.App) *cobra.Command {
	o := triggerOptions{}
	single := []string{"device", "status", "data", "count", "concurrency", "tamper", "duplicate", "shuffle"}
	cmd := &cobra.Command{
		Use:         "trigger (TYPE | --suite | --request FILE) --to URL",
		Annotations: cli.PrintsResult(),
		Short:       "Send an event to a receiver, as Mender would",
		Long: `Send an event to a receiver with the headers that Mender sets, and judge the
answer as Mender does: a status under 300 within 10 seconds is a success.
Redirects are not followed, and a failed delivery is not retried.

TYPE is device-provisioned, device-status-changed, device-decommissioned or
device-inventory-changed; any other type requires --data. With --count, trigger
generates load and prints a summary with the rate and the latencies. Use
--tamper, --unsigned, --duplicate and --shuffle to test how a receiver handles
bad requests.

With --suite, trigger tests a receiver: it sends valid, altered, unsigned and
unusual events, and prints which of them the receiver handled correctly. The
exit code is 1 if a required case failed. --print prints a single request
instead of sending it, and --request sends one from a file.

Without --secret-file and MENDER_WEBHOOK_SECRET, events are signed with the
secret that is stored on this machine for the server's webhook, if there is one.
The exit code is 1 if a delivery failed.`,
		Example: `  mender-webhooks trigger device-status-changed --to http://127.0.0.1:8090/ --status rejected
  mender-webhooks trigger device-provisioned --to http://127.0.0.1:8090/ --secret-file hook.secret --tamper
  mender-webhooks trigger device-status-changed --to http://127.0.0.1:8090/ --count 10000 --concurrency 16
  mender-webhooks trigger --suite --to http://127.0.0.1:8090/ --secret-file hook.secret --junit report.xml
  mender-webhooks trigger device-provisioned --print --secret-file hook.secret > delivery.http
  mender-webhooks trigger --request delivery.http --to http://127.0.0.1:8090/`,
		Args: cli.Args(0, 1, "at most one type of event"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return cli.StringsOf(webhook.EventTypes()), cobra.ShellCompDirectiveNoFileComp
		},
		PreRunE: cli.Rules{Against: map[string][]string{
			"unsigned": {"secret", "secret-file", "tamper"},
			"data":     {"device", "status"},
			"suite":    append(single, "TYPE", "unsigned", "print", "request"),
			"request":  append(single, "TYPE", "unsigned", "secret", "secret-file", "print"),
			"print":    {"count", "concurrency", "duplicate", "shuffle", "target-skip-verify", "output", "jq"},
		}, Needs: map[string][]string{"junit": {"suite"}, "idle": {"suite"}}}.Check,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.template.Type = webhook.EventType(cli.FirstOf(args))
			return runTrigger(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.to, "to", "", "the receiver's `URL`; 8090, :8090/hook and localhost:8090 work, too")
	f.StringVar(&o.template.Device, "device", "", "the device's `ID` (default: a new one for each event)")
	f.StringVar((*string)(&o.template.Status), "status", string(webhook.StatusAccepted), "the device's new `STATUS`")
	f.StringVar(&o.dataFile, "data", "", "JSON `FILE` with the event's data; - for stdin")
	o.secret.Register(f)
	o.target.Register(f)
	f.IntVar(&o.load.Count, "count", 1, "number `N` of events")
	f.IntVar(&o.load.Concurrency, "concurrency", 1, "number `N` of concurrent deliveries")
	f.BoolVar(&o.load.Tamper, "tamper", false, "alter a byte of each event after signing it")
	f.BoolVar(&o.unsigned, "unsigned", false, "send events without a signature")
	f.BoolVar(&o.load.Duplicate, "duplicate", false, "send each event twice")
	f.BoolVar(&o.load.Shuffle, "shuffle", false, "send the events out of order")
	o.suite.register(f)
	o.request.register(f)
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(cli.StringsOf(webhook.DeviceStatuses()), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runTrigger(ctx context.Context, a *cli.App, o triggerOptions) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	if o.template.Type == "" && !o.suite.run && o.request.file == "" {
		return cli.Hinted(cli.Usagef("trigger requires the type of the event, --suite or --request FILE"), "pass one of %s", cli.Joined(webhook.EventTypes()))
	}
	if o.to == "" && !o.request.print {
		return cli.Hinted(cli.Usagef("trigger requires --to URL"), "run `mender-webhooks listen` to start a receiver, then pass --to 8090")
	}
	if o.request.file != "" {
		return o.sendRequest(ctx, a, p)
	}
	if err := o.prepare(ctx, a); err != nil {
		return err
	}
	defer o.load.Sender.Close()
	switch {
	case o.suite.run:
		return o.runSuite(ctx, a, p)
	case o.request.print:
		return o.printRequest(a)
	}
	if o.load.Count == 1 && !o.load.Duplicate {
		return triggerOne(ctx, p, o.load)
	}
	return triggerMany(ctx, p, o.load)
}

// prepare checks the options and completes the load.
func (o *triggerOptions) prepare(ctx context.Context, a *cli.App) (err error) {
	o.load.URL = "http://localhost/" // default for --print, which does not require --to
	if o.to != "" {
		to, err := cli.ParseURL("--to", o.to)
		if err != nil {
			return err
		}
		o.load.URL = to.String()
	}
	if o.load.Count < 1 {
		return cli.Usagef("invalid --count %d: must be at least 1", o.load.Count)
	}
	if o.load.Concurrency < 1 {
		return cli.Usagef("invalid --concurrency %d: must be at least 1", o.load.Concurrency)
	}
	if !o.unsigned {
		if o.load.Secret, err = o.secret.One(ctx, a); err != nil {
			return err
		}
		if o.load.Secret.IsZero() && o.load.Tamper {
			return cli.Hinted(cli.Usagef("--tamper requires a secret: only a signature shows that the event was altered"), "pass --secret-file FILE or set MENDER_WEBHOOK_SECRET")
		}
	}
	if !o.suite.run {
		if err := o.readData(ctx, a); err != nil {
			return err
		}
	}
	a.WarnUnknown("--status", []string{string(o.template.Status)}, cli.StringsOf(webhook.DeviceStatuses()))
	o.load.Event = func() (webhook.Event, error) { return o.template.Event(a.Now().UTC()) }
	o.load.Sender, err = o.target.Sender(a, o.load.Concurrency)
	return err
}

// readData reads the file in --data. The flag is required for event types that
// Mender does not send.
func (o *triggerOptions) readData(ctx context.Context, a *cli.App) error {
	if o.dataFile != "" {
		data, err := a.ReadText(ctx, o.dataFile, webhook.MaxBody)
		if err != nil {
			return cli.Hinted(fmt.Errorf("--data: %w", err), "pass the name of a file, or - for stdin")
		}
		if !json.Valid(data) {
			return cli.Usagef("--data %s: not valid JSON", o.dataFile)
		}
		o.template.Data = data
		return nil
	}
	if o.template.Known() {
		return nil
	}
	typ := string(o.template.Type)
	err := cli.Usagef("unknown event type %q", typ)
	if similar := suggest.Name(typ, cli.StringsOf(webhook.EventTypes())); similar != "" {
		return cli.Hinted(err, "did you mean %s? Pass --data FILE to send any other type", similar)
	}
	return cli.Hinted(err, "pass its data with --data FILE, or use one of %s", cli.Joined(webhook.EventTypes()))
}
