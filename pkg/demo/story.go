package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/trigger"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func (d *demo) create(ctx context.Context) error {
	err := d.step("2. Create a webhook with a secret that only this machine and the server know",
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
	return d.print("  %s\n", d.webhookID)
}

// live takes a device from provisioning to decommissioning. It waits for each event
// before the next change, because Mender delivers concurrent events in any order.
func (d *demo) live(ctx context.Context) error {
	if err := d.step("4. Receive the events of a device"); err != nil {
		return err
	}
	created := time.Now().UTC().Truncate(time.Second)
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
			return fmt.Errorf("device event %q: %w", stage.what, err)
		}
		r, err := d.expect(ctx, webhook.Valid, http.StatusNoContent)
		if err := errors.Join(err, d.sandbox.Settle(ctx)); err != nil {
			return fmt.Errorf("device event %q: %w", stage.what, err)
		}
		if err := d.print("  %-22s %s %s, answered %d\n", r.Type, d.Style.Green("✓"), r.Verdict, r.Status); err != nil {
			return err
		}
	}
	return nil
}

// expect waits for the receiver's next record and checks it.
func (d *demo) expect(ctx context.Context, verdict webhook.Verdict, status int) (receiver.Record, error) {
	select {
	case <-ctx.Done():
		return receiver.Record{}, ctx.Err()
	case r := <-d.records:
		if r.Verdict != verdict || r.Status != status {
			return r, fmt.Errorf("the receiver reported %s with status %d, expected %s with %d", r.Verdict, r.Status, verdict, status)
		}
		return r, nil
	}
}

// forge sends two requests that an attacker could send: one whose body was changed
// after it was signed, and one without a signature.
func (d *demo) forge(ctx context.Context) error {
	command := "mender-webhooks trigger device-status-changed --to " + d.hook
	if err := d.step("5. Refuse two forged requests", command+" --tamper", command+" --unsigned"); err != nil {
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
		event, err := webhook.NewEvent(uuid.NewString(), webhook.DeviceStatusChanged, time.Now(),
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
			return fmt.Errorf("forged request (%s): %w", f.what, err)
		}
		if err := d.print("  %-22s %s %s, answered %d\n", f.what, d.Style.Red("✗"), r.Verdict, r.Status); err != nil {
			return err
		}
	}
	return nil
}

// activity shows the server's log and checks that it lists the four deliveries as
// successful.
func (d *demo) activity(ctx context.Context) error {
	if err := d.step("6. Show the same deliveries in Mender's log", "mender-webhooks activity"); err != nil {
		return err
	}
	var events []mender.Event
	for e, err := range eventlog.New(d.client).Events(ctx, eventlog.Query{}) {
		if err != nil {
			return err
		}
		if e.Failed() {
			return fmt.Errorf("the server logged the delivery of event %s as failed", e.ID)
		}
		events = append(events, e)
	}
	if n := len(events); n != 4 {
		return fmt.Errorf("the server logged %d events, expected 4", n)
	}
	return d.Events(events)
}

func (d *demo) remove(ctx context.Context) error {
	if err := d.step("7. Delete the webhook", "mender-webhooks delete "+d.webhookID+" --yes"); err != nil {
		return err
	}
	if err := d.client.DeleteIntegration(ctx, d.webhookID); err != nil {
		return err
	}
	remaining, err := d.client.Integrations(ctx)
	if err == nil && len(remaining) > 0 {
		err = errors.New("the webhook still exists")
	}
	return err
}
