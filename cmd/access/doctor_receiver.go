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

// examineWebhook checks the integration and what it points to.
func (d *Doctor) examineWebhook(ctx context.Context, set *config.Settings, client *mender.Client, arg string) {
	all, err := client.Integrations(ctx)
	d.add(d.permission(ctx, client, err))
	if err != nil {
		d.add(left("the permission comes first", checkIntegration)...)
		return
	}
	i, f := findHook(all, arg)
	d.add(f)
	if f.Status == Failed {
		d.add(left("the webhook comes first", checkSecret, checkAddress, checkReceiver, checkProbe, checkDeliveries)...)
		return
	}
	secret, f := d.secret(ctx, set, i)
	d.add(f)
	d.examineURL(ctx, i.Credentials.HTTP.URL)
	d.add(d.probeURL(ctx, i, secret), d.deliveries(ctx, client, i.ID))
	d.add(unknown(checkBeyond, "from here it can't be known what Mender's server sees: its own name resolution and firewalls, "+
		"and deliveries that took longer than 10 seconds, which leave no trace in its log"))
}

func findHook(all []mender.Integration, arg string) (mender.Integration, finding) {
	i, err := cli.PickIntegration(all, arg)
	if err != nil {
		f := cli.Classify(err)
		return i, bad(f.Kind, checkIntegration, f.Hint, "%s", f.Message)
	}
	if i.Provider != mender.ProviderWebhook || i.Credentials.HTTP == nil {
		return i, bad(cli.ExitConflict, checkIntegration, "a webhook can take its place only after `mender-webhooks delete "+i.ID+"`",
			"the organization's one integration, %s, is of provider %s", i.ID, i.Provider)
	}
	return i, good(checkIntegration, "webhook %s to %s", i.ID, cli.Target(i))
}

// secret checks that a secret is set, and known here.
func (d *Doctor) secret(ctx context.Context, set *config.Settings, i mender.Integration) (webhook.Secret, finding) {
	given, err := config.ResolveSecret(config.Input{LookupEnv: d.App.Env})
	if err != nil {
		f := cli.Classify(err)
		return webhook.Secret{}, bad(f.Kind, checkSecret, f.Hint, "%s", f.Message)
	}
	known, from := given.Secret, given.From
	if known.IsZero() {
		from = "kept on this machine"
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
		return known, doubtful(checkSecret, "`mender-webhooks update --generate-secret` sets one", "none is set: anyone who knows the URL can forge deliveries")
	case !i.Credentials.HasSecret():
		return webhook.Secret{}, doubtful(checkSecret, "`mender-webhooks update --generate-secret` sets a new one",
			"none is set on the server, although one is known here (%s, fingerprint %s): deliveries are unsigned", from, known.Fingerprint())
	case known.IsZero():
		return known, doubtful(checkSecret, "`mender-webhooks secret set` keeps it here, and `mender-webhooks update --generate-secret` makes a new one",
			"one is set on the server, and is not known here: listen, trigger and verify need to be given it")
	}
	return known, good(checkSecret, "one is set on the server, and one is known here (%s, fingerprint %s); whether they are the same, only a delivery can tell",
		from, known.Fingerprint())
}

// examineURL looks at the receiver from here, as far as that tells how it
// looks from Mender's server.
func (d *Doctor) examineURL(ctx context.Context, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
		d.add(bad(cli.ExitFailed, checkAddress, "give it another with `mender-webhooks update --url`", "nobody can POST to %s", output.MaskURL(text)))
		d.add(left("the URL comes first", checkReceiver)...)
		return
	}
	d.add(d.Address(ctx, u), d.Receiver(ctx, u))
}

// Address checks whether Mender would connect to where the name leads.
func (d *Doctor) Address(ctx context.Context, u *url.URL) finding {
	addresses := []netip.Addr{}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		addresses = append(addresses, a.Unmap())
	} else if addresses, err = lookup(ctx, u.Hostname()); err != nil {
		return unknown(checkAddress, "%s; Mender's server may know it", lookupProblem(u.Hostname(), err))
	}
	if slices.ContainsFunc(addresses, cli.Reserved) {
		return doubtful(checkAddress, "give the receiver a public address; or, on a server of your own, allow private ones",
			"%s: Mender refuses to send to an address that is not public (a name may lead elsewhere from Mender's server)", hostAt(u.Hostname(), addresses))
	}
	return good(checkAddress, "%s: public", hostAt(u.Hostname(), addresses))
}

// hostAt names a host with its addresses.
func hostAt(host string, addresses []netip.Addr) string {
	if at := joinAddresses(addresses); at != host {
		return host + " is " + at
	}
	return host
}

// Receiver connects as Mender would: by the public authorities, with no proxy,
// and following no redirects.
func (d *Doctor) Receiver(ctx context.Context, u *url.URL) finding {
	plain := *u
	plain.User = nil // a password is not for a HEAD request
	answer, err := head(ctx, plain.String(), &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: d.PublicRoots}, nil)
	var invalid *tls.CertificateVerificationError
	switch {
	case errors.As(err, &invalid):
		return bad(cli.ExitFailed, checkReceiver, receiverAdvice(err), "Mender refuses its certificate: %s", output.MaskText(invalid.Err.Error()))
	case err != nil:
		return doubtful(checkReceiver, "does it listen, and is it reachable from the internet?", "from here it can't be reached: %s", output.MaskText(err.Error()))
	case answer.status >= 300 && answer.status < 400:
		return doubtful(checkReceiver, "give Mender the final URL with `mender-webhooks update --url`; --probe tells whether a POST is redirected too",
			"it redirects (%d) to %s, and Mender does not follow", answer.status, output.MaskURL(answer.location))
	case u.Scheme == "http":
		return doubtful(checkReceiver, "give the receiver a certificate, and the webhook an https URL", "it answers, by plain http: events cross the network in clear")
	}
	f := certificateFinding(checkReceiver, answer.tls, d.App.Now(), "renew the receiver's certificate")
	f.Finding = "it answers by " + f.Finding
	return f
}

func receiverAdvice(err error) string {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return "renew the receiver's certificate"
	}
	var host x509.HostnameError
	if errors.As(err, &host) {
		return "use the name that the certificate was made for"
	}
	return "use a certificate of a public authority, with the whole chain: Mender trusts no others"
}

// probeURL sends a signed test event, where that was asked for.
func (d *Doctor) probeURL(ctx context.Context, i mender.Integration, secret webhook.Secret) finding {
	switch {
	case !d.probe:
		return finding{Check: checkProbe, Status: skipped, Finding: "whether it takes a signed event in time: not tried",
			Next: "--probe sends it a test event"}
	case i.Credentials.HasSecret() && secret.IsZero():
		return finding{Check: checkProbe, Status: skipped, Finding: "the secret is not known here, so no test event can be signed"}
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
		return doubtful(checkProbe, "answer first, and work later: what takes longer than 10 seconds is lost without a trace", "the test event was taken (%d), but only after %s", delivery.StatusCode, took)
	}
	return good(checkProbe, "the test event was taken (%d) in %s", delivery.StatusCode, took)
}

// deliveries reports how the deliveries of the last day went.
func (d *Doctor) deliveries(ctx context.Context, client *mender.Client, id string) finding {
	ctx, cancel := context.WithTimeout(ctx, 3*checkTime)
	defer cancel()
	s, err := eventlog.New(client).LastDay(ctx, id)
	switch {
	case err != nil:
		f := cli.Classify(err)
		return bad(f.Kind, checkDeliveries, f.Hint, "%s", f.Message)
	case s.Deliveries == 0:
		return unknown(checkDeliveries, "none in the log of the last day: no device changed, or every delivery ran into the 10 seconds")
	case s.Failures == 0:
		return good(checkDeliveries, "%s in the last day, and all went well; the last one was %s ago", cli.Deliveries(s.Deliveries), output.Duration(max(0, d.App.Now().Sub(s.Last.Time)).Round(time.Second)))
	case s.LastFailure == s.Last:
		return bad(cli.ExitFailed, checkDeliveries, "`mender-webhooks activity --failed` shows them", "%d of %s in the last day failed, the last one too: %s", s.Failures, cli.Deliveries(s.Deliveries), eventlog.FailureText(s.Failure))
	}
	return doubtful(checkDeliveries, "`mender-webhooks activity --failed` shows them", "%d of %s in the last day failed, but not the last one: %s", s.Failures, cli.Deliveries(s.Deliveries), eventlog.FailureText(s.Failure))
}
