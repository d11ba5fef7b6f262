// Package trigger sends events to a receiver as Mender would: one event to show
// how the receiver reacts, or many to show how much load it can handle.
package trigger

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/httpclient"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// SenderOptions are the settings in which a sender on this machine differs from
// Mender's server. The zero value trusts the system's certificate authorities.
type SenderOptions struct {
	// CACertFile is a PEM file with authorities to trust in addition to the
	// system's; empty adds none.
	CACertFile string
	// Roots, if set, are the only authorities to trust.
	Roots *x509.CertPool
	// SkipVerify accepts any certificate.
	SkipVerify bool
	// Connections is how many idle connections are kept; 0 means as many as
	// Mender keeps.
	Connections int
}

// NewSender returns a sender that delivers as Mender does, but uses a proxy as
// HTTP_PROXY, HTTPS_PROXY and NO_PROXY specify. It fails only if CACertFile cannot
// be used.
func NewSender(o SenderOptions) (*webhook.Sender, error) {
	config, err := httpclient.TLS{CACertFile: o.CACertFile, SkipVerify: o.SkipVerify}.Config()
	if err != nil {
		return nil, err
	}
	if o.Roots != nil {
		config.RootCAs = o.Roots
	}
	return webhook.NewSender(webhook.SenderOptions{Transport: httpclient.Transport(config), MaxIdleConns: o.Connections}), nil
}

// Send delivers a request. If a proxy refuses the request, the Delivery holds an
// error instead of the proxy's status, which is not the receiver's.
func Send(s *webhook.Sender, req *http.Request) webhook.Delivery {
	d := s.Do(req)
	answer := &http.Response{StatusCode: d.StatusCode, Status: fmt.Sprintf("%d %s", d.StatusCode, http.StatusText(d.StatusCode))}
	if refused := httpclient.Refused(req, answer); refused != nil {
		return webhook.Delivery{Err: refused, Duration: d.Duration}
	}
	return d
}

// Kind returns the kind of a failed delivery: Unavailable if a proxy refused it,
// and Failed if the receiver refused it or could not be reached.
func Kind(d webhook.Delivery) fault.Kind {
	var proxy *httpclient.ProxyError
	if errors.As(d.Err, &proxy) {
		return fault.Unavailable
	}
	return fault.Failed
}

// Explain returns a hint about a failed delivery: how Mender would treat it, or
// how to fix it.
func Explain(d webhook.Delivery) string {
	var untrusted *tls.CertificateVerificationError
	var proxy *httpclient.ProxyError
	switch {
	case errors.As(d.Err, &untrusted):
		return "Mender trusts only public certificate authorities and would fail, too; pass --target-skip-verify to send from here without verifying"
	case errors.As(d.Err, &proxy):
		return "Mender uses no proxy; add the receiver's host to NO_PROXY to reach it without one"
	case d.TimedOut():
		return "answer within 10 seconds: a delivery that takes longer fails, and never reaches Mender's log"
	case d.StatusCode >= 300 && d.StatusCode < 400:
		return "use the final URL: Mender does not follow redirects"
	case d.StatusCode == http.StatusUnauthorized:
		return "check that both sides have the same secret: the receiver refused the signature"
	case d.StatusCode == 0:
		return "check that the receiver is running at this address: it sent no HTTP answer"
	}
	return "answer with a status under 300: Mender treats any other status as a failure"
}
