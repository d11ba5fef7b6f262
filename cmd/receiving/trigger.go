package receiving

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// NewTriggerCmd returns the trigger command.
func NewTriggerCmd(a *cli.App) *cobra.Command {
	o := cli.TriggerOptions{}
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
			return runTrigger(cmd.Context(), a, o, webhook.EventType(args[0]))
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.To, "to", "", "the receiver's `URL`; 8090, :8090/hook and localhost:8090 are understood")
	f.StringVar(&o.Device, "device", "", "the device's `ID` (default: a new one for each event)")
	f.StringVar(&o.Status, "status", string(webhook.StatusAccepted), "the device's new `STATUS`")
	f.StringVar(&o.DataFile, "data", "", "a `FILE` with the event's data, as JSON (- is stdin)")
	o.Secret.Register(f)
	f.IntVar(&o.Count, "count", 1, "send `N` events")
	f.IntVar(&o.Concurrency, "concurrency", 1, "make `N` deliveries at the same time")
	f.BoolVar(&o.Tamper, "tamper", false, "alter a byte after signing")
	f.BoolVar(&o.Unsigned, "unsigned", false, "send without a signature")
	f.BoolVar(&o.Duplicate, "duplicate", false, "send each event twice")
	f.BoolVar(&o.Shuffle, "shuffle", false, "send the events out of order")
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(cli.StringsOf(webhook.DeviceStatuses()), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runTrigger(ctx context.Context, a *cli.App, o cli.TriggerOptions, typ webhook.EventType) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	if o.To == "" {
		return cli.Hinted(cli.Usagef("trigger needs --to URL"), "`mender-webhooks listen` is a receiver to try: --to 8090")
	}
	if o.To, err = cli.ReceiverURL("--to", o.To); err != nil {
		return err
	}
	if o.Count < 1 || o.Concurrency < 1 {
		return cli.Usagef("--count and --concurrency are 1 at least")
	}
	set, err := a.LocalSettings()
	if err != nil {
		return err
	}
	secret, err := o.SigningSecret(ctx, a)
	if err != nil {
		return err
	}
	makeEvent, err := eventMaker(a, o, typ)
	if err != nil {
		return err
	}
	sender := webhook.NewSender(webhook.SenderOptions{
		MaxIdleConns: o.Concurrency,
		TLSConfig:    &tls.Config{InsecureSkipVerify: set.SkipVerify, MinVersion: tls.VersionTLS12},
	})
	defer sender.Close()
	l := cli.Load{Sender: sender, URL: o.To, Secret: secret, Options: o, Event: makeEvent}
	if o.Count == 1 && !o.Duplicate {
		return triggerOne(ctx, p, l)
	}
	return cli.TriggerMany(ctx, p, l)
}

// eventMaker returns what makes the n-th event.
func eventMaker(a *cli.App, o cli.TriggerOptions, typ webhook.EventType) (func(n int) (webhook.Event, error), error) {
	var fixed json.RawMessage
	if o.DataFile != "" {
		data, err := a.ReadInput(o.DataFile, webhook.MaxBody)
		if err != nil {
			return nil, cli.Hinted(fmt.Errorf("--data: %w", err), "it takes the name of a file; - is stdin")
		}
		if !json.Valid(data) {
			return nil, cli.Usagef("--data %s: it is not JSON", o.DataFile)
		}
		fixed = data
	} else if _, known := payload(typ, "", "", time.Time{}); !known {
		err := cli.Usagef("%q is no event type of Mender's", typ)
		if similar := cli.SimilarTo(string(typ), cli.StringsOf(webhook.EventTypes())); similar != "" {
			return nil, cli.Hinted(err, "did you mean %s? Any type can be sent with --data FILE", similar)
		}
		return nil, cli.Hinted(err, "give its data with --data FILE, or use one of %s", cli.Joined(webhook.EventTypes()))
	}
	a.WarnUnknown("--status", []string{o.Status}, cli.StringsOf(webhook.DeviceStatuses()))
	return func(int) (webhook.Event, error) {
		device, at := o.Device, a.Now().UTC()
		if device == "" {
			device = uuid.NewString()
		}
		if fixed != nil {
			return webhook.NewEvent(uuid.NewString(), typ, at, fixed)
		}
		data, _ := payload(typ, device, webhook.DeviceStatus(o.Status), at)
		return webhook.NewEvent(uuid.NewString(), typ, at, data)
	}, nil
}

// payload is what Mender says of a device in an event of this type.
func payload(typ webhook.EventType, device string, status webhook.DeviceStatus, at time.Time) (data any, known bool) {
	switch typ {
	case webhook.DeviceProvisioned:
		created := at.Add(-time.Minute).Truncate(time.Second)
		return webhook.Device{
			ID: device, Status: status, CreatedTS: &created,
			AuthSets: []webhook.AuthSet{{
				ID: uuid.NewString(), DeviceID: device, Status: status, TS: &created,
				IdentityData: json.RawMessage(`{"mac":"02:00:00:12:34:56"}`),
				PubKey:       "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n",
			}},
		}, true
	case webhook.DeviceStatusChanged:
		return webhook.StatusChange{ID: device, Status: status}, true
	case webhook.DeviceDecommissioned:
		return webhook.Decommission{ID: device}, true
	case webhook.DeviceInventoryChanged:
		return webhook.InventoryChange{DeviceID: device, Inventory: []webhook.InventoryAttribute{
			{Name: "artifact_name", Scope: "inventory", Value: json.RawMessage(`"release-1"`)},
		}}, true
	}
	return nil, false
}

type triggerResult struct {
	ID         string            `json:"id"`
	Type       webhook.EventType `json:"type"`
	Success    bool              `json:"success"`
	StatusCode int               `json:"status_code,omitempty"`
	Error      string            `json:"error,omitempty"`
	DurationMS float64           `json:"duration_ms"`
}

func triggerOne(ctx context.Context, p *output.Printer, l cli.Load) error {
	event, err := l.Event(0)
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
		DurationMS: cli.Milliseconds(d.Duration),
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
		return cli.Hinted(cli.Failf(cli.ExitFailed, "the delivery failed: %s", r.Error), "%s", cli.ExplainDelivery(d))
	}
	return nil
}
