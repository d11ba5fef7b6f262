package cmd

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

type triggerOptions struct {
	to          string
	device      string
	status      string
	dataFile    string
	count       int
	concurrency int
	tamper      bool
	unsigned    bool
	duplicate   bool
	shuffle     bool
	secret      secretFlags
}

func newTriggerCmd(a *app) *cobra.Command {
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
		Args: args(1, 1, "the type of the event"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return stringsOf(webhook.EventTypes()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTrigger(cmd.Context(), a, o, webhook.EventType(args[0]))
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.to, "to", "", "the receiver's `URL`; 8090, :8090/hook and localhost:8090 are understood")
	f.StringVar(&o.device, "device", "", "the device's `ID` (default: a new one for each event)")
	f.StringVar(&o.status, "status", string(webhook.StatusAccepted), "the device's new `STATUS`")
	f.StringVar(&o.dataFile, "data", "", "a `FILE` with the event's data, as JSON (- is stdin)")
	o.secret.register(f)
	f.IntVar(&o.count, "count", 1, "send `N` events")
	f.IntVar(&o.concurrency, "concurrency", 1, "make `N` deliveries at the same time")
	f.BoolVar(&o.tamper, "tamper", false, "alter a byte after signing")
	f.BoolVar(&o.unsigned, "unsigned", false, "send without a signature")
	f.BoolVar(&o.duplicate, "duplicate", false, "send each event twice")
	f.BoolVar(&o.shuffle, "shuffle", false, "send the events out of order")
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(stringsOf(webhook.DeviceStatuses()), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runTrigger(ctx context.Context, a *app, o triggerOptions, typ webhook.EventType) error {
	p, err := a.printer()
	if err != nil {
		return err
	}
	if o.to == "" {
		return hinted(usagef("trigger needs --to URL"), "`mender-webhooks listen` is a receiver to try: --to 8090")
	}
	if o.to, err = receiverURL("--to", o.to); err != nil {
		return err
	}
	if o.count < 1 || o.concurrency < 1 {
		return usagef("--count and --concurrency are 1 at least")
	}
	set, err := a.localSettings()
	if err != nil {
		return err
	}
	secret, err := o.signingSecret(ctx, a)
	if err != nil {
		return err
	}
	makeEvent, err := eventMaker(a, o, typ)
	if err != nil {
		return err
	}
	sender := webhook.NewSender(webhook.SenderOptions{
		MaxIdleConns: o.concurrency,
		TLSConfig:    &tls.Config{InsecureSkipVerify: set.SkipVerify, MinVersion: tls.VersionTLS12},
	})
	defer sender.Close()
	l := load{sender: sender, url: o.to, secret: secret, options: o, event: makeEvent}
	if o.count == 1 && !o.duplicate {
		return triggerOne(ctx, p, l)
	}
	return triggerMany(ctx, p, l)
}

// signingSecret is none for --unsigned, and where none is given or kept.
func (o triggerOptions) signingSecret(ctx context.Context, a *app) (webhook.Secret, error) {
	if o.unsigned {
		return webhook.Secret{}, nil
	}
	secret, err := o.secret.one(ctx, a)
	if err == nil && secret.IsZero() && o.tamper {
		return secret, usagef("--tamper needs a secret: without a signature nothing can be seen of it")
	}
	return secret, err
}

// eventMaker returns what makes the n-th event.
func eventMaker(a *app, o triggerOptions, typ webhook.EventType) (func(n int) (webhook.Event, error), error) {
	var fixed json.RawMessage
	if o.dataFile != "" {
		data, err := a.readInput(o.dataFile, webhook.MaxBody)
		if err != nil {
			return nil, hinted(fmt.Errorf("--data: %w", err), "it takes the name of a file; - is stdin")
		}
		if !json.Valid(data) {
			return nil, usagef("--data %s: it is not JSON", o.dataFile)
		}
		fixed = data
	} else if _, known := payload(typ, "", "", time.Time{}); !known {
		err := usagef("%q is no event type of Mender's", typ)
		if similar := similarTo(string(typ), stringsOf(webhook.EventTypes())); similar != "" {
			return nil, hinted(err, "did you mean %s? Any type can be sent with --data FILE", similar)
		}
		return nil, hinted(err, "give its data with --data FILE, or use one of %s", joined(webhook.EventTypes()))
	}
	a.warnUnknown("--status", []string{o.status}, stringsOf(webhook.DeviceStatuses()))
	return func(int) (webhook.Event, error) {
		device, at := o.device, a.now().UTC()
		if device == "" {
			device = uuid.NewString()
		}
		if fixed != nil {
			return webhook.NewEvent(uuid.NewString(), typ, at, fixed)
		}
		data, _ := payload(typ, device, webhook.DeviceStatus(o.status), at)
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

func triggerOne(ctx context.Context, p *output.Printer, l load) error {
	event, err := l.event(0)
	if err != nil {
		return err
	}
	d, err := l.deliver(ctx, event)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r := triggerResult{
		ID: event.ID, Type: event.Type, Success: d.Success(), StatusCode: d.StatusCode,
		DurationMS: milliseconds(d.Duration),
	}
	if d.Err != nil {
		r.Error = output.MaskText(d.Err.Error())
	}
	view := output.View{
		Value: r,
		Fields: details([][2]string{
			{"Event", r.ID}, {"Type", string(r.Type)}, {"Status", statusText(r.StatusCode)},
			{"Took", fmt.Sprintf("%.1f ms", r.DurationMS)},
		}),
		Names: []string{event.ID},
	}
	if err := p.Print(view); err != nil {
		return err
	}
	if !r.Success {
		return hinted(failf(exitFailed, "the delivery failed: %s", r.Error), "%s", explainDelivery(d))
	}
	return nil
}

// explainDelivery says what Mender would make of a failed delivery.
func explainDelivery(d webhook.Delivery) string {
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(d.Err, &untrusted):
		return "Mender verifies a receiver's certificate against public authorities, and would fail too; --skip-verify goes on here all the same"
	case d.TimedOut():
		return "Mender gives a receiver 10 seconds; what takes longer never even reaches its log"
	case d.StatusCode >= 300 && d.StatusCode < 400:
		return "Mender does not follow redirects: give it the final URL"
	case d.StatusCode == 401:
		return "the receiver refused the signature: do both sides have the same secret?"
	case d.StatusCode == 0:
		return "no HTTP answer came: does the receiver listen there?"
	}
	return "Mender takes only a status under 300 for a success"
}

func statusText(code int) string {
	if code == 0 {
		return "none"
	}
	return fmt.Sprint(code)
}
