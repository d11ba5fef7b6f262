package access

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/trigger"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// examineWebhook checks the integration and its receiver.
func (d *Doctor) examineWebhook(ctx context.Context, set *config.Settings, client *mender.Client, arg string) {
	all, err := client.Integrations(ctx)
	d.add(d.permission(ctx, client, err))
	if err != nil {
		d.add(skip("the permission must be fixed first", checkIntegration)...)
		return
	}
	i, f := findHook(all, arg)
	d.add(f)
	if f.Status == Failed {
		d.add(skip("the webhook must be fixed first", checkSecret, checkAddress, checkReceiver, checkProbe, checkDeliveries)...)
		return
	}
	secret, f := d.secret(ctx, set, i)
	d.add(f)
	d.examineURL(ctx, i.Credentials.HTTP.URL)
	d.add(d.probeURL(ctx, i, secret), d.deliveries(ctx, client, i.ID))
	d.add(unknown(checkBeyond, "not visible from this machine: name resolution and firewalls of Mender's server, "+
		"and deliveries that exceeded 10 seconds, which are not logged"))
}

func findHook(all []mender.Integration, arg string) (mender.Integration, finding) {
	i, err := cli.PickIntegration(all, arg)
	if err != nil {
		f := cli.Classify(err)
		return i, bad(f.Kind, checkIntegration, f.Hint, "%s", f.Message)
	}
	if i.Provider != mender.ProviderWebhook || i.Credentials.HTTP == nil {
		return i, bad(cli.ExitConflict, checkIntegration, "to create a webhook instead, first run `mender-webhooks delete "+i.ID+"`",
			"the organization's only integration, %s, has provider %s", i.ID, i.Provider)
	}
	return i, good(checkIntegration, "webhook %s to %s", i.ID, cli.Target(i))
}

// secret checks that a secret is set on the server and known on this machine.
func (d *Doctor) secret(ctx context.Context, set *config.Settings, i mender.Integration) (webhook.Secret, finding) {
	given, err := config.ResolveSecret(config.Input{LookupEnv: d.App.Env})
	if err != nil {
		f := cli.Classify(err)
		return webhook.Secret{}, bad(f.Kind, checkSecret, f.Hint, "%s", f.Message)
	}
	known, from := given.Secret, given.From
	if known.IsZero() {
		from = "stored on this machine"
		account, err := d.App.Account(set)
		if err == nil {
			known, err = account.Stored(ctx, i.ID)
		}
		if err != nil {
			f := cli.Classify(err)
			return webhook.Secret{}, bad(f.Kind, checkSecret, f.Hint, "%s", f.Message)
		}
	}
	switch {
	case !i.Credentials.HasSecret() && known.IsZero():
		return known, doubtful(checkSecret, "set one with `mender-webhooks update --generate-secret`", "the webhook has no secret: anyone who knows the URL can forge deliveries")
	case !i.Credentials.HasSecret():
		return webhook.Secret{}, doubtful(checkSecret, "set a new one with `mender-webhooks update --generate-secret`",
			"the server has no secret, but this machine does (%s, fingerprint %s): deliveries are unsigned", from, known.Fingerprint())
	case known.IsZero():
		return known, doubtful(checkSecret, "store it with `mender-webhooks secret set`, or set a new one with `mender-webhooks update --generate-secret`",
			"the server has a secret, but this machine does not: pass it to listen, trigger and verify")
	}
	return known, good(checkSecret, "the server and this machine have a secret (%s, fingerprint %s); only a delivery shows whether they are the same",
		from, known.Fingerprint())
}

// examineURL checks the receiver from this machine, which may differ from the view of
// Mender's server.
func (d *Doctor) examineURL(ctx context.Context, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
		d.add(bad(cli.ExitFailed, checkAddress, "set another URL with `mender-webhooks update --url`", "invalid URL %s: Mender cannot POST to it", output.MaskURL(text)))
		d.add(skip("the URL must be fixed first", checkReceiver)...)
		return
	}
	d.add(d.Address(ctx, u), d.Receiver(ctx, u))
}

// Address checks whether Mender would connect to the addresses of the host.
func (d *Doctor) Address(ctx context.Context, u *url.URL) finding {
	addresses := []netip.Addr{}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		addresses = append(addresses, a.Unmap())
	} else if addresses, err = lookup(ctx, u.Hostname()); err != nil {
		return unknown(checkAddress, "%s; Mender's server may know the name", lookupProblem(u.Hostname(), err))
	}
	if slices.ContainsFunc(addresses, cli.Reserved) {
		return doubtful(checkAddress, "use a public address, or allow private ones on your own Mender server",
			"%s: Mender sends only to public addresses (Mender's server may resolve the name differently)", hostAt(u.Hostname(), addresses))
	}
	return good(checkAddress, "%s: public", hostAt(u.Hostname(), addresses))
}

// hostAt returns a host with its addresses, for a message.
func hostAt(host string, addresses []netip.Addr) string {
	if at := joinAddresses(addresses); at != host {
		return host + " is " + at
	}
	return host
}

// Receiver connects as Mender would: trusting public authorities only, without a proxy
// and without following redirects.
func (d *Doctor) Receiver(ctx context.Context, u *url.URL) finding {
	plain := *u
	plain.User = nil // do not send a password
	answer, err := head(ctx, plain.String(), &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: d.PublicRoots}, nil)
	var invalid *tls.CertificateVerificationError
	switch {
	case errors.As(err, &invalid):
		return bad(cli.ExitFailed, checkReceiver, receiverAdvice(err), "Mender refuses its certificate: %s", output.MaskText(invalid.Err.Error()))
	case err != nil:
		return doubtful(checkReceiver, "check that it runs and is reachable from the internet", "unreachable from this machine: %s", output.MaskText(err.Error()))
	case answer.status >= 300 && answer.status < 400:
		return doubtful(checkReceiver, "set the final URL with `mender-webhooks update --url`; use --probe to see whether a POST is redirected, too",
			"redirects (%d) to %s, which Mender does not follow", answer.status, output.MaskURL(answer.location))
	case u.Scheme == "http":
		return doubtful(checkReceiver, "install a certificate and use an https URL", "responds over plain http: events are sent unencrypted")
	}
	f := certificateFinding(checkReceiver, answer.tls, d.App.Now(), "renew the receiver's certificate")
	f.Finding = "responds over " + f.Finding
	return f
}

func receiverAdvice(err error) string {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return "renew the receiver's certificate"
	}
	var host x509.HostnameError
	if errors.As(err, &host) {
		return "use a name that is in the certificate"
	}
	return "use a certificate from a public authority with the complete chain: Mender trusts no others"
}

// probeURL sends a signed test event, if requested.
func (d *Doctor) probeURL(ctx context.Context, i mender.Integration, secret webhook.Secret) finding {
	switch {
	case !d.probe:
		return finding{Check: checkProbe, Status: skipped, Finding: "no test event sent",
			Next: "pass --probe to send one"}
	case i.Credentials.HasSecret() && secret.IsZero():
		return finding{Check: checkProbe, Status: skipped, Finding: "without the secret, no test event can be signed"}
	}
	event, err := webhook.NewEvent(uuid.NewString(), webhook.DeviceStatusChanged, d.App.Now().UTC(),
		webhook.StatusChange{ID: uuid.Nil.String(), Status: webhook.StatusNoAuth})
	if err != nil {
		return bad(cli.ExitFailed, checkProbe, "", "%v", err)
	}
	body, err := json.Marshal(event)
	if err != nil {
		return bad(cli.ExitFailed, checkProbe, "", "%v", err)
	}
	sender, err := trigger.NewSender(trigger.SenderOptions{Roots: d.PublicRoots})
	if err != nil {
		return bad(cli.ExitFailed, checkProbe, "", "%v", err)
	}
	defer sender.Close()
	delivery := sender.Send(ctx, i.Credentials.HTTP.URL, body, secret)
	took := output.Duration(delivery.Duration)
	switch {
	case !delivery.Success():
		return bad(cli.ExitFailed, checkProbe, trigger.Explain(delivery), "the test event failed after %s: %s", took, output.MaskText(delivery.Err.Error()))
	case delivery.Duration > webhook.DeliveryTimeout/2:
		return doubtful(checkProbe, "answer first and work later: deliveries that exceed 10 seconds are lost and not logged", "the test event was accepted (%d), but only after %s", delivery.StatusCode, took)
	}
	return good(checkProbe, "the test event was accepted (%d) in %s", delivery.StatusCode, took)
}

// deliveries reports the results of the deliveries of the last day.
func (d *Doctor) deliveries(ctx context.Context, client *mender.Client, id string) finding {
	ctx, cancel := context.WithTimeout(ctx, 3*checkTime)
	defer cancel()
	s, err := eventlog.New(client).LastDay(ctx, id)
	switch {
	case err != nil:
		f := cli.Classify(err)
		return bad(f.Kind, checkDeliveries, f.Hint, "%s", f.Message)
	case s.Deliveries == 0:
		return unknown(checkDeliveries, "none logged in the last day: no device changed, or all deliveries exceeded 10 seconds")
	case s.Failures == 0:
		return good(checkDeliveries, "%s in the last day, all successful; the last one %s ago", cli.Deliveries(s.Deliveries), output.Duration(max(0, d.App.Now().Sub(s.Last.Time)).Round(time.Second)))
	case s.LastFailure == s.Last:
		return bad(cli.ExitFailed, checkDeliveries, "list them with `mender-webhooks activity --failed`", "%d of %s in the last day failed, including the last one: %s", s.Failures, cli.Deliveries(s.Deliveries), eventlog.FailureText(s.Failure))
	}
	return doubtful(checkDeliveries, "list them with `mender-webhooks activity --failed`", "%d of %s in the last day failed, but not the last one: %s", s.Failures, cli.Deliveries(s.Deliveries), eventlog.FailureText(s.Failure))
}
