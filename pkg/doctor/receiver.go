package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/redact"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/urls"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/trigger"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// examineURL examines the webhook's URL from this machine, which may see the
// receiver differently than Mender's server does. delivered means that Mender's
// last delivery succeeded, which outweighs findings from this machine.
func (d *doctor) examineURL(ctx context.Context, text string, delivered bool) {
	u, err := urls.Parse(text)
	if err != nil {
		d.add(failed(fault.Failed, checkAddress, "replace it with `mender-webhooks update --url`", "no client can POST to %s: %v", redact.URLs(text), err))
		d.skip("depends on the URL", checkReceiver)
		return
	}
	d.add(address(ctx, u, delivered), d.receiver(ctx, u, delivered))
}

// address checks whether Mender would connect to the host's addresses.
func address(ctx context.Context, u *url.URL, delivered bool) Finding {
	addresses, err := resolve(ctx, u.Hostname())
	if err != nil {
		return unknown(checkAddress, "%s; Mender's server may be able to resolve it", lookupProblem(u.Hostname(), err))
	}
	text := u.Hostname()
	if at := join(addresses); at != text {
		text += " is " + at
	}
	switch {
	case !slices.ContainsFunc(addresses, reserved):
		return good(checkAddress, "%s: public", text)
	case delivered:
		return good(checkAddress, "%s: not public, but Mender's last delivery succeeded", text)
	}
	return warning(checkAddress, "give the receiver a public address, or allow private addresses on your own Mender server",
		"%s: not public, so Mender refuses to send to it by default (the name may resolve differently there)", text)
}

func resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	return lookup(ctx, host)
}

// reserved reports whether Mender refuses an address by default: it requires a
// public unicast address.
func reserved(a netip.Addr) bool { return !a.IsGlobalUnicast() || a.IsPrivate() }

// receiver connects to the receiver as Mender does: it trusts public authorities
// only, uses no proxy and follows no redirects.
func (d *doctor) receiver(ctx context.Context, u *url.URL, delivered bool) Finding {
	plain := *u
	plain.User = nil // no need to send the password with a HEAD request
	answer, err := d.head(ctx, plain.String(), &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: d.PublicRoots}})
	var invalid *tls.CertificateVerificationError
	switch {
	case errors.As(err, &invalid) && delivered:
		return warning(checkReceiver, receiverAdvice(err), "this machine does not trust its certificate, but Mender's last delivery succeeded: %s",
			redact.URLs(invalid.Err.Error()))
	case errors.As(err, &invalid):
		return failed(fault.Failed, checkReceiver, receiverAdvice(err), "Mender refuses its certificate: %s", redact.URLs(invalid.Err.Error()))
	case err != nil:
		return warning(checkReceiver, "check that it is listening and can be reached from the internet", "this machine cannot reach it: %s", redact.URLs(err.Error()))
	case answer.status >= 300 && answer.status < 400:
		return warning(checkReceiver, "give Mender the final URL with `mender-webhooks update --url`; --probe shows whether a POST is redirected, too",
			"it redirects (%d) to %s, and Mender does not follow redirects", answer.status, redact.URLs(answer.location))
	case u.Scheme == "http":
		return warning(checkReceiver, "give the receiver a certificate, and the webhook an https URL", "it uses plain http: events cross the network unencrypted")
	}
	f := d.certificate(checkReceiver, answer.tls, "renew the receiver's certificate")
	f.Finding = "it answers with " + f.Finding
	return f
}

func receiverAdvice(err error) string {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return "renew the receiver's certificate"
	}
	var host x509.HostnameError
	if errors.As(err, &host) {
		return "use the name that the certificate was issued for"
	}
	return "use a certificate from a public authority, with the full chain: Mender trusts no other authorities"
}

// probe sends a signed test event if Probe is set.
func (d *doctor) probe(ctx context.Context, i mender.Integration, secret webhook.Secret) Finding {
	switch {
	case !d.Probe:
		return Finding{Check: checkProbe, Status: Skipped, Finding: "no test event was sent", Next: "send one with --probe"}
	case i.Credentials.HasSecret() && secret.IsZero():
		return Finding{Check: checkProbe, Status: Skipped, Finding: "a test event cannot be signed: this machine does not know the secret"}
	}
	delivery, err := d.sendTestEvent(ctx, i.Credentials.HTTP.URL, secret)
	took := output.Duration(delivery.Duration)
	switch {
	case err != nil:
		return failed(fault.Failed, checkProbe, "", "%v", err)
	case !delivery.Success():
		return failed(fault.Failed, checkProbe, trigger.Explain(delivery), "the test event failed after %s: %s", took, redact.URLs(delivery.Err.Error()))
	case delivery.Duration > webhook.DeliveryTimeout/2:
		return warning(checkProbe, "answer first and process later: Mender does not log a delivery that takes longer than 10 seconds",
			"the test event was accepted (%d), but only after %s", delivery.StatusCode, took)
	}
	return good(checkProbe, "the test event was accepted (%d) in %s", delivery.StatusCode, took)
}

func (d *doctor) sendTestEvent(ctx context.Context, target string, secret webhook.Secret) (webhook.Delivery, error) {
	event, err := webhook.NewEvent(uuid.NewString(), webhook.DeviceStatusChanged, d.Now().UTC(),
		webhook.StatusChange{ID: uuid.Nil.String(), Status: webhook.StatusNoAuth})
	if err != nil {
		return webhook.Delivery{}, err
	}
	body, err := json.Marshal(event)
	if err != nil {
		return webhook.Delivery{}, err
	}
	sender, err := trigger.NewSender(trigger.SenderOptions{Roots: d.PublicRoots})
	if err != nil {
		return webhook.Delivery{}, err
	}
	defer sender.Close()
	return sender.Send(ctx, target, body, secret), nil
}

// resolveTime is the time limit for the name resolution in ReceiverWarnings.
const resolveTime = 2 * time.Second

// ReceiverWarnings returns the reasons why Mender's server is likely to refuse a
// webhook's URL, or why the URL is unsafe, as far as this machine can tell
// without connecting to it. A name that this machine cannot resolve causes no
// warning, since Mender's server may know it.
func ReceiverWarnings(ctx context.Context, text string) (warnings []string) {
	u, err := url.Parse(text)
	if err != nil {
		return nil
	}
	if u.Scheme == "http" {
		warnings = append(warnings, "the URL is http: events, and a password in the URL, cross the network unencrypted")
	}
	if u.User != nil {
		warnings = append(warnings, "the URL contains a user name or password: Mender shows it to everyone who may list the integrations")
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	addresses, err := resolve(ctx, u.Hostname())
	if i := slices.IndexFunc(addresses, reserved); err == nil && i >= 0 {
		what := addresses[i].String()
		if what != u.Hostname() {
			what = u.Hostname() + " is " + what + ", which"
		}
		warnings = append(warnings, what+" is not a public address: Mender refuses it, unless your own server allows it")
	}
	return warnings
}
