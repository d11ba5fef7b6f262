package mender

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
)

// newTransport makes what carries the requests: proxies as the environment
// says, TLS 1.2 at least, and an authority of the user's own beside the
// system's.
func newTransport(o Options) (*http.Transport, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: o.SkipVerify, //nolint:gosec // asked for by the user, and said each time
	}
	if o.CACertFile == "" {
		return transport, nil
	}
	pem, err := os.ReadFile(o.CACertFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificate authority: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // a system without a store still has this one
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read the certificate authority: %s holds no certificate in PEM form", o.CACertFile)
	}
	transport.TLSClientConfig.RootCAs = roots
	return transport, nil
}

// maxRedirects is how many redirects within the server are followed.
const maxRedirects = 5

// checkRedirect follows a redirect of a read within the same scheme, host and
// port, and no other: a token must not reach another host, and a repeated
// write may turn into something else. A redirect not followed is the answer.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	if first.Method != http.MethodGet || len(via) > maxRedirects ||
		req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}
