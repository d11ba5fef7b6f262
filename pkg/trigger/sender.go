// Package trigger sends events to a receiver as Mender would: one that shows
// how the receiver reacts, or many that show how much it can take.
package trigger

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/httpclient"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// SenderOptions are the ways in which this machine differs from Mender's
// server. The zero value trusts the system's certificate authorities.
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

// NewSender returns a sender that delivers as Mender does, but through the
// proxies that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name. The error is about
// the certificate authority's file.
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

// Explain returns what Mender would make of a failed delivery, as a hint.
func Explain(d webhook.Delivery) string {
	var untrusted *tls.CertificateVerificationError
	var proxy *httpclient.ProxyError
	switch {
	case errors.As(d.Err, &untrusted):
		return "Mender verifies a receiver's certificate against public authorities, and would fail too; --target-skip-verify goes on here all the same"
	case errors.As(d.Err, &proxy):
		return "Mender uses no proxy; NO_PROXY lists the hosts that are reached without one"
	case d.TimedOut():
		return "Mender gives a receiver 10 seconds; what takes longer never even reaches its log"
	case d.StatusCode >= 300 && d.StatusCode < 400:
		return "Mender does not follow redirects: give it the final URL"
	case d.StatusCode == http.StatusUnauthorized:
		return "the receiver refused the signature: do both sides have the same secret?"
	case d.StatusCode == 0:
		return "no HTTP answer came: does the receiver listen there?"
	}
	return "Mender takes only a status under 300 for a success"
}
