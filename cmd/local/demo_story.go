package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/trigger"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

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
	created := d.a.Now().UTC().Truncate(time.Second)
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
		if err := d.tell("  %-22s %s %s, answered %d\n", r.Type, d.a.OutStyle().Green("✓"), r.Verdict, r.Status); err != nil {
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
	l := trigger.Load{Sender: webhook.NewSender(webhook.SenderOptions{}), URL: d.hook}
	defer l.Sender.Close()
	forgeries := []struct {
		what    string
		tamper  bool
		secret  webhook.Secret
		verdict webhook.Verdict
	}{
		{"altered after signing", true, d.secret, webhook.Invalid},
		{"without a signature", false, webhook.Secret{}, webhook.Unsigned},
	}
	for _, f := range forgeries {
		event, err := webhook.NewEvent(uuid.NewString(), webhook.DeviceStatusChanged, d.a.Now(),
			webhook.StatusChange{ID: d.device, Status: webhook.StatusAccepted})
		if err != nil {
			return err
		}
		l.Secret, l.Tamper = f.secret, f.tamper
		if _, err := l.Deliver(ctx, event); err != nil {
			return err
		}
		r, err := d.expect(ctx, f.verdict, http.StatusUnauthorized)
		if err != nil {
			return fmt.Errorf("a request %s: %w", f.what, err)
		}
		if err := d.tell("  %-22s %s %s, answered %d\n", f.what, d.a.OutStyle().Red("✗"), r.Verdict, r.Status); err != nil {
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
	table := d.a.EventTable(false)
	view := output.View{Table: output.TableView{Columns: table.Columns()}}
	for e, err := range d.client.Events(ctx, mender.EventQuery{}) {
		if err != nil {
			return err
		}
		if e.Failed() {
			return fmt.Errorf("the server logged event %s as failed", e.ID)
		}
		view.Table.Rows = append(view.Table.Rows, table.Row(&e))
	}
	if n := len(view.Table.Rows); n != 4 {
		return fmt.Errorf("the server logged %s, where 4 were due", cli.Plural(n, "event"))
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
