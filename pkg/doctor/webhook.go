package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/redact"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// examineWebhook examines the integration and its receiver.
func (d *doctor) examineWebhook(ctx context.Context) {
	all, err := d.client.Integrations(ctx)
	d.add(d.permission(ctx, err))
	if err != nil {
		d.skip("depends on the permission", checkIntegration)
		return
	}
	i, f := d.find(all)
	d.add(f)
	if f.Status == Failed {
		d.skip("depends on the webhook", checkSecret, checkAddress, checkReceiver, checkProbe, checkDeliveries)
		return
	}
	secret, f := d.secret(ctx, i)
	d.add(f)
	deliveries, delivered := d.deliveries(ctx, i.ID)
	d.examineURL(ctx, i.Credentials.HTTP.URL, delivered)
	d.add(d.probe(ctx, i, secret), deliveries)
	d.add(unknown(checkBeyond, "this machine cannot see the name resolution and firewalls of Mender's server, "+
		"or deliveries that took longer than 10 seconds, which are never logged"))
}

func (d *doctor) find(all []mender.Integration) (mender.Integration, Finding) {
	i, err := d.Pick(all)
	if err != nil {
		return i, failure(checkIntegration, err, fault.HintOf(err))
	}
	if i.Provider != mender.ProviderWebhook || i.Credentials.HTTP == nil {
		return i, failed(fault.Conflict, checkIntegration, "run `mender-webhooks delete "+i.ID+"` to make room for a webhook",
			"the organization's one integration, %s, has the provider %s", i.ID, i.Provider)
	}
	return i, good(checkIntegration, "webhook %s to %s", i.ID, redact.URLs(i.Credentials.HTTP.URL))
}

// secret checks that the integration has a secret and that this machine knows
// it.
func (d *doctor) secret(ctx context.Context, i mender.Integration) (webhook.Secret, Finding) {
	known, from, err := d.Secret(ctx, i.ID)
	const generate = "set one with `mender-webhooks update --generate-secret`"
	switch {
	case err != nil:
		return webhook.Secret{}, failure(checkSecret, err, fault.HintOf(err))
	case !i.Credentials.HasSecret() && known.IsZero():
		return known, warning(checkSecret, generate, "the server has none: anyone who knows the URL can forge deliveries")
	case !i.Credentials.HasSecret():
		return webhook.Secret{}, warning(checkSecret, generate,
			"the server has none, so deliveries are unsigned; this machine has one (%s, fingerprint %s)", from, known.Fingerprint())
	case known.IsZero():
		return known, warning(checkSecret, "store it with `mender-webhooks secret set`, or replace it with `mender-webhooks update --generate-secret`",
			"the server has one, but this machine does not know it: listen, trigger and verify need it")
	}
	return known, good(checkSecret, "the server has one, and so has this machine (%s, fingerprint %s); only a delivery shows whether they are equal",
		from, known.Fingerprint())
}

// deliveries examines the deliveries in the last 24 hours. delivered reports
// whether the last one succeeded.
func (d *doctor) deliveries(ctx context.Context, id string) (f Finding, delivered bool) {
	ctx, cancel := context.WithTimeout(ctx, 3*checkTime)
	defer cancel()
	s, err := eventlog.New(d.client).LastDay(ctx, id)
	const list = "list them with `mender-webhooks activity --failed`"
	switch {
	case err != nil:
		return failure(checkDeliveries, err, d.Hint(err)), false
	case s.Deliveries == 0:
		return unknown(checkDeliveries, "none logged in the last day: no device changed, or every delivery took longer than 10 seconds"), false
	case s.Failures == 0:
		ago := max(0, s.To.Sub(s.Last.Time)).Round(time.Second)
		return good(checkDeliveries, "%s logged in the last day, none failed; the last one was %s ago", deliveries(s.Deliveries), output.Duration(ago)), true
	case s.LastFailure == s.Last:
		return failed(fault.Failed, checkDeliveries, list, "%d of %s logged in the last day failed, including the last one: %s",
			s.Failures, deliveries(s.Deliveries), eventlog.FailureText(s.Failure)), false
	}
	return warning(checkDeliveries, list, "%d of %s logged in the last day failed, but not the last one: %s",
		s.Failures, deliveries(s.Deliveries), eventlog.FailureText(s.Failure)), true
}

func deliveries(n int) string {
	if n == 1 {
		return "1 delivery"
	}
	return fmt.Sprintf("%d deliveries", n)
}
