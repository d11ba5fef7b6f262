package receiving

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
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
}

// NewTriggerCmd returns the trigger command.
func NewTriggerCmd(a *cli.App) *cobra.Command {
	o := triggerOptions{}
	cmd := &cobra.Command{
		Use:   "trigger TYPE --to URL",
		Short: "Send an event to a receiver, as Mender would",
		Long: `Send an event to a receiver, header for header as Mender's server would, and
judge the answer as it does: a status under 300 within 10 seconds is a
success, redirects are not followed, and there is no second try.

TYPE is device-provisioned, device-status-changed, device-decommissioned or
device-inventory-changed; any other needs --data. With --count it is a load
generator, and prints a summary with the rate and the latencies. The faults
(--tamper, --unsigned, --duplicate, --shuffle) are those a receiver must bear.

Without --secret-file and MENDER_WEBHOOK_SECRET it signs with the secret that is
kept on this machine for the server's webhook, if there is one. Exit code 1
means that a delivery failed.`,
		Example: `  mender-webhooks trigger device-status-changed --to http://127.0.0.1:8090/ --status rejected
  mender-webhooks trigger device-provisioned --to http://127.0.0.1:8090/ --secret-file hook.secret --tamper
  mender-webhooks trigger device-status-changed --to http://127.0.0.1:8090/ --count 10000 --concurrency 16`,
		Args: cli.Args(1, 1, "the type of the event"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return cli.StringsOf(webhook.EventTypes()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.template.Type = webhook.EventType(args[0])
			return runTrigger(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.to, "to", "", "the receiver's `URL`; 8090, :8090/hook and localhost:8090 are understood")
	f.StringVar(&o.template.Device, "device", "", "the device's `ID` (default: a new one for each event)")
	f.StringVar((*string)(&o.template.Status), "status", string(webhook.StatusAccepted), "the device's new `STATUS`")
	f.StringVar(&o.dataFile, "data", "", "a `FILE` with the event's data, as JSON (- is stdin)")
	o.secret.Register(f)
	o.target.Register(f)
	f.IntVar(&o.load.Count, "count", 1, "send `N` events")
	f.IntVar(&o.load.Concurrency, "concurrency", 1, "make `N` deliveries at the same time")
	f.BoolVar(&o.load.Tamper, "tamper", false, "alter a byte after signing")
	f.BoolVar(&o.unsigned, "unsigned", false, "send without a signature")
	f.BoolVar(&o.load.Duplicate, "duplicate", false, "send each event twice")
	f.BoolVar(&o.load.Shuffle, "shuffle", false, "send the events out of order")
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(cli.StringsOf(webhook.DeviceStatuses()), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runTrigger(ctx context.Context, a *cli.App, o triggerOptions) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	if err := o.prepare(ctx, a); err != nil {
		return err
	}
	defer o.load.Sender.Close()
	if o.load.Count == 1 && !o.load.Duplicate {
		return triggerOne(ctx, p, o.load)
	}
	return triggerMany(ctx, p, o.load)
}

// prepare checks the options and fills in what the load needs.
func (o *triggerOptions) prepare(ctx context.Context, a *cli.App) (err error) {
	if o.to == "" {
		return cli.Hinted(cli.Usagef("trigger needs --to URL"), "`mender-webhooks listen` is a receiver to try: --to 8090")
	}
	to, err := cli.ParseURL("--to", o.to)
	if err != nil {
		return err
	}
	o.load.URL = to.String()
	if o.load.Count < 1 || o.load.Concurrency < 1 {
		return cli.Usagef("--count and --concurrency are 1 at least")
	}
	if !o.unsigned {
		if o.load.Secret, err = o.secret.One(ctx, a); err != nil {
			return err
		}
		if o.load.Secret.IsZero() && o.load.Tamper {
			return cli.Usagef("--tamper needs a secret: without a signature nothing can be seen of it")
		}
	}
	if err := o.readData(a); err != nil {
		return err
	}
	a.WarnUnknown("--status", []string{string(o.template.Status)}, cli.StringsOf(webhook.DeviceStatuses()))
	o.load.Event = func() (webhook.Event, error) { return o.template.Event(a.Now().UTC()) }
	o.load.Sender, err = o.target.Sender(a, o.load.Concurrency)
	return err
}

// readData reads --data, which types that Mender does not send require.
func (o *triggerOptions) readData(a *cli.App) error {
	if o.dataFile != "" {
		data, err := a.ReadInput(o.dataFile, webhook.MaxBody)
		if err != nil {
			return cli.Hinted(fmt.Errorf("--data: %w", err), "it takes the name of a file; - is stdin")
		}
		if !json.Valid(data) {
			return cli.Usagef("--data %s: it is not JSON", o.dataFile)
		}
		o.template.Data = data
		return nil
	}
	if o.template.Known() {
		return nil
	}
	typ := string(o.template.Type)
	err := cli.Usagef("%q is no event type of Mender's", typ)
	if similar := cli.SimilarTo(typ, cli.StringsOf(webhook.EventTypes())); similar != "" {
		return cli.Hinted(err, "did you mean %s? Any type can be sent with --data FILE", similar)
	}
	return cli.Hinted(err, "give its data with --data FILE, or use one of %s", cli.Joined(webhook.EventTypes()))
}

type triggerResult struct {
	ID         string            `json:"id"`
	Type       webhook.EventType `json:"type"`
	Success    bool              `json:"success"`
	StatusCode int               `json:"status_code,omitempty"`
	Error      string            `json:"error,omitempty"`
	DurationMS float64           `json:"duration_ms"`
}

func triggerOne(ctx context.Context, p *output.Printer, l trigger.Load) error {
	event, err := l.Event()
	if err != nil {
		return err
	}
	d, err := l.Deliver(ctx, event)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r := triggerResult{
		ID: event.ID, Type: event.Type, Success: d.Success(), StatusCode: d.StatusCode,
		DurationMS: output.Milliseconds(d.Duration),
	}
	if d.Err != nil {
		r.Error = output.MaskText(d.Err.Error())
	}
	view := output.View{
		Value: r,
		Fields: cli.Details([][2]string{
			{"Event", r.ID}, {"Type", string(r.Type)}, {"Status", cli.StatusText(r.StatusCode)},
			{"Took", fmt.Sprintf("%.1f ms", r.DurationMS)},
		}),
		Names: []string{event.ID},
	}
	if err := p.Print(view); err != nil {
		return err
	}
	if !r.Success {
		return cli.Hinted(cli.Failf(cli.ExitFailed, "the delivery failed: %s", r.Error), "%s", trigger.Explain(d))
	}
	return nil
}

func triggerMany(ctx context.Context, p *output.Printer, l trigger.Load) error {
	sum, err := l.Run(ctx)
	if err := p.Print(output.View{Value: sum, Fields: summaryFields(sum)}); err != nil {
		return err
	}
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case sum.Failed > 0:
		return cli.Failf(cli.ExitFailed, "%d of %d deliveries failed", sum.Failed, sum.Sent)
	}
	return nil
}

func summaryFields(s trigger.Summary) []output.Field {
	rows := [][2]string{
		{"Sent", fmt.Sprintf("%d in %.1f s, %.0f/s", s.Sent, s.DurationMS/1000, s.Rate)},
		{"Succeeded", fmt.Sprint(s.Succeeded)},
		{"Failed", fmt.Sprint(s.Failed)},
		{"Latency", fmt.Sprintf("p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, max %.1f ms",
			s.LatencyMS.P50, s.LatencyMS.P90, s.LatencyMS.P99, s.LatencyMS.Max)},
	}
	for _, code := range cli.SortedKeys(s.Statuses) {
		rows = append(rows, [2]string{"Status " + code, fmt.Sprint(s.Statuses[code])})
	}
	for _, text := range cli.SortedKeys(s.Errors) {
		rows = append(rows, [2]string{"No answer", fmt.Sprintf("%d: %s", s.Errors[text], text)})
	}
	return cli.Details(rows)
}
