package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// demoTimeout bounds the whole demo, which takes a second or two.
const demoTimeout = 30 * time.Second

func newDemoCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "The whole round trip on this machine, in one command",
		Long: `Play the whole round trip on this machine: start a stand-in for Mender and a
receiver on free ports, create a webhook with a generated secret, lead a device
through its life, show each delivery and what the receiver thinks of it, then
two forged requests being refused, then the activity as the server logged it,
and delete the webhook. Each step shows the command that you would type.

Nothing leaves this machine and nothing stays behind. Exit code 0 means that
every step went as it should.`,
		Example: "  mender-webhooks demo",
		Args:    args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), a)
		},
	}
}

// demo is the stage: a stand-in for Mender, a receiver, and the webhook from
// the one to the other.
type demo struct {
	a         *app
	printer   *output.Printer
	sandbox   *sandbox.Sandbox
	server    string
	client    *mender.Client
	secret    webhook.Secret
	addr      string // the receiver's
	hook      string
	records   chan receiver.Record
	device    string
	webhookID string
}

func runDemo(ctx context.Context, a *app) (err error) {
	p, err := a.open(output.Table, false, output.Table)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	d := &demo{a: a, printer: p, secret: webhook.GenerateSecret(), records: make(chan receiver.Record, 64), device: uuid.NewString()}
	stopServer, err := d.startServer(ctx)
	if err != nil {
		return err
	}
	stopReceiver, err := d.startReceiver(ctx)
	if err != nil {
		return errors.Join(err, stopServer())
	}
	// The server goes first, and lets go of its connections to the receiver.
	defer func() { err = errors.Join(err, stopServer(), stopReceiver()) }()
	for _, step := range []func(context.Context) error{d.create, d.receive, d.live, d.forge, d.activity, d.remove} {
		if err := step(ctx); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				return failf(exitTimeout, "the demo did not end within %s: %w", demoTimeout, err)
			}
			return err
		}
	}
	if err := d.tell("\n%s Every step went as it should, and nothing stays behind.\n", d.a.outStyle().Green("✓")); err != nil {
		return err
	}
	d.a.say("To try it yourself: `mender-webhooks sandbox --fleet 10 -- bash`. With your server: `mender-webhooks login`.")
	return nil
}

// tell prints the demo's own words.
func (d *demo) tell(format string, args ...any) error {
	_, err := fmt.Fprintf(d.a.out, format, args...)
	return err
}

// step is a headline and the commands that a user would type: in this order
// they work.
func (d *demo) step(headline string, commands ...string) error {
	err := d.tell("\n%s\n", d.a.outStyle().Bold(headline))
	for _, command := range commands {
		err = errors.Join(err, d.tell("  %s\n", d.a.outStyle().Dim("$ "+command)))
	}
	return err
}

func (d *demo) startServer(ctx context.Context) (stop func() error, err error) {
	d.sandbox, err = sandbox.New(sandbox.Options{})
	if err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, d.sandbox.Close())
	}
	srv := &http.Server{Handler: d.sandbox, ReadHeaderTimeout: demoTimeout}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	stop = func() error {
		err := srv.Close()
		if cause := <-served; !errors.Is(cause, http.ErrServerClosed) {
			err = errors.Join(err, cause)
		}
		return errors.Join(err, d.sandbox.Close())
	}
	d.server = "http://" + l.Addr().String()
	d.client, err = mender.New(mender.Options{Server: d.server, Token: d.sandbox.AdminToken(), UserAgent: "mender-webhooks/" + version()})
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	if err := d.step("1. A stand-in for Mender's server, and a shell that knows it", "mender-webhooks sandbox -- bash"); err != nil {
		return nil, errors.Join(err, stop())
	}
	return stop, d.tell("  It listens on %s.\n", d.server)
}

func (d *demo) startReceiver(ctx context.Context) (stop func() error, err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	rc, err := receiver.New(receiver.Options{
		Secrets: func() []webhook.Secret { return []webhook.Secret{d.secret} },
		Observe: func(r receiver.Record) { d.records <- r },
	})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	srv := receiver.NewServer(receiver.ServerOptions{Handler: rc, Grace: time.Second})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, l) }()
	stop = func() error {
		cancel()
		return errors.Join(<-served, rc.Close(context.WithoutCancel(ctx)))
	}
	d.addr = l.Addr().String()
	d.hook = "http://" + d.addr + "/mender"
	return stop, nil
}

// receive tells of the receiver, which has been there all the time.
func (d *demo) receive(context.Context) error {
	if err := d.step("3. A receiver that finds the secret, and checks signatures with it", "mender-webhooks listen --addr "+d.addr); err != nil {
		return err
	}
	return d.tell("  It listens on %s.\n", d.hook)
}

func (d *demo) create(ctx context.Context) error {
	err := d.step("2. A webhook, with a secret that only this machine and the server know",
		fmt.Sprintf("mender-webhooks create --url %s --generate-secret", d.hook))
	if err != nil {
		return err
	}
	d.webhookID, err = d.client.CreateIntegration(ctx, mender.NewIntegration{
		Provider: mender.ProviderWebhook, Credentials: mender.HTTP(d.hook, d.secret.Hex()), Description: "demo",
	})
	if err != nil {
		return err
	}
	return d.tell("  %s\n", d.webhookID)
}

// live leads a device through its life. Each event is awaited, since Mender
// promises no order among deliveries that are under way together.
func (d *demo) live(ctx context.Context) error {
	if err := d.step("4. A device's life, as the receiver sees it"); err != nil {
		return err
	}
	created := d.a.now().UTC().Truncate(time.Second)
	stages := []struct {
		what   string
		happen func() error
	}{
		{"provisioned", func() error {
			return d.sandbox.Provision(webhook.Device{ID: d.device, Status: webhook.StatusAccepted, CreatedTS: &created})
		}},
		{"accepted", func() error { return d.sandbox.SetStatus([]string{d.device}, webhook.StatusAccepted) }},
		{"rejected", func() error { return d.sandbox.SetStatus([]string{d.device}, webhook.StatusRejected) }},
		{"decommissioned", func() error { d.sandbox.Decommission(d.device); return nil }},
	}
	for _, stage := range stages {
		if err := stage.happen(); err != nil {
			return fmt.Errorf("the device is %s: %w", stage.what, err)
		}
		r, err := d.expect(ctx, webhook.Valid, http.StatusNoContent)
		if err != nil {
			return fmt.Errorf("the device is %s: %w", stage.what, err)
		}
		if err := d.tell("  %-22s %s %s, answered %d\n", r.Type, d.a.outStyle().Green("✓"), r.Verdict, r.Status); err != nil {
			return err
		}
	}
	return d.sandbox.Settle(ctx)
}

// expect waits for the receiver's next record and compares it.
func (d *demo) expect(ctx context.Context, verdict webhook.Verdict, status int) (receiver.Record, error) {
	select {
	case <-ctx.Done():
		return receiver.Record{}, ctx.Err()
	case r := <-d.records:
		if r.Verdict != verdict || r.Status != status {
			return r, fmt.Errorf("the receiver called it %s and answered %d, where %s and %d were due", r.Verdict, r.Status, verdict, status)
		}
		return r, nil
	}
}

// forge sends what an attacker could: an altered body under a signature that
// was right for another, and a body without a signature.
func (d *demo) forge(ctx context.Context) error {
	command := "mender-webhooks trigger device-status-changed --to " + d.hook
	if err := d.step("5. Two forged requests, and what becomes of them", command+" --tamper", command+" --unsigned"); err != nil {
		return err
	}
	sender := webhook.NewSender(webhook.SenderOptions{})
	defer sender.Close()
	forgeries := []struct {
		what    string
		options triggerOptions
		secret  webhook.Secret
		verdict webhook.Verdict
	}{
		{"altered after signing", triggerOptions{tamper: true}, d.secret, webhook.Invalid},
		{"without a signature", triggerOptions{unsigned: true}, webhook.Secret{}, webhook.Unsigned},
	}
	for _, f := range forgeries {
		event, err := webhook.NewEvent(uuid.NewString(), webhook.DeviceStatusChanged, d.a.now(),
			webhook.StatusChange{ID: d.device, Status: webhook.StatusAccepted})
		if err != nil {
			return err
		}
		if _, err := (load{sender: sender, url: d.hook, secret: f.secret, options: f.options}).deliver(ctx, event); err != nil {
			return err
		}
		r, err := d.expect(ctx, f.verdict, http.StatusUnauthorized)
		if err != nil {
			return fmt.Errorf("a request %s: %w", f.what, err)
		}
		if err := d.tell("  %-22s %s %s, answered %d\n", f.what, d.a.outStyle().Red("✗"), r.Verdict, r.Status); err != nil {
			return err
		}
	}
	return nil
}

// activity shows the server's side, and checks that it tells the same story.
func (d *demo) activity(ctx context.Context) error {
	if err := d.step("6. The same deliveries in Mender's own log", "mender-webhooks activity"); err != nil {
		return err
	}
	table := d.a.eventTable(false)
	view := output.View{Table: output.TableView{Columns: table.columns()}}
	for e, err := range d.client.Events(ctx, mender.EventQuery{}) {
		if err != nil {
			return err
		}
		if e.Failed() {
			return fmt.Errorf("the server logged event %s as failed", e.ID)
		}
		view.Table.Rows = append(view.Table.Rows, table.row(&e))
	}
	if n := len(view.Table.Rows); n != 4 {
		return fmt.Errorf("the server logged %s, where 4 were due", plural(n, "event"))
	}
	return d.printer.Print(view)
}

func (d *demo) remove(ctx context.Context) error {
	if err := d.step("7. The webhook goes", "mender-webhooks delete "+d.webhookID+" --yes"); err != nil {
		return err
	}
	if err := d.client.DeleteIntegration(ctx, d.webhookID); err != nil {
		return err
	}
	left, err := d.client.Integrations(ctx)
	if err == nil && len(left) > 0 {
		err = errors.New("the webhook is still there")
	}
	return err
}
