// Package httpclient makes the transport that every HTTP request of the
// program goes through, so that proxies, certificate authorities and TLS
// settings apply in the same way to all of them.
package httpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
)

// TLS holds the TLS settings for connections to one peer.
type TLS struct {
	// CACertFile is a PEM file with authorities to trust in addition to the
	// system's; empty adds none.
	CACertFile string
	// SkipVerify accepts any certificate.
	SkipVerify bool
}

// Config reads the file and returns the settings for crypto/tls: TLS 1.2 or
// later.
func (t TLS) Config() (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: t.SkipVerify, //nolint:gosec // the user asked for it
	}
	if t.CACertFile == "" {
		return config, nil
	}
	pem, err := os.ReadFile(t.CACertFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificate authority: %w", err)
	}
	config.RootCAs, err = x509.SystemCertPool()
	if err != nil {
		config.RootCAs = x509.NewCertPool() // a system without a store of its own
	}
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read the certificate authority: no PEM certificate in %s", t.CACertFile)
	}
	return config, nil
}

// Transport returns a new transport that uses the proxies that HTTP_PROXY,
// HTTPS_PROXY and NO_PROXY name. Its other settings are the caller's to
// change.
func Transport(config *tls.Config) *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = config
	transport.Proxy = http.ProxyFromEnvironment
	transport.OnProxyConnectResponse = refusedByProxy
	return transport
}

// NoUpgrade returns a RoundTripper that fails if the server switches protocols,
// which no request here asks for. The body of such an answer is the connection
// itself: reading it never ends, and no deadline applies.
func NoUpgrade(next http.RoundTripper) http.RoundTripper { return noUpgrade{next} }

type noUpgrade struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (n noUpgrade) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := n.next.RoundTrip(req)
	if err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("unexpected answer %s", resp.Status)
	}
	return resp, err
}

// ProxyError is the failure of a request that a proxy on the way refused.
type ProxyError struct {
	Proxy  string // host and port
	Status string // such as "407 Proxy Authentication Required"
}

// Error names the proxy, so that it is not mistaken for the server.
func (e *ProxyError) Error() string {
	return fmt.Sprintf("proxy %s refused the connection: %s", e.Proxy, e.Status)
}

// Refused returns a ProxyError if it was a proxy that answered the request,
// to ask for a password, and nil otherwise.
func Refused(req *http.Request, resp *http.Response) error {
	if resp.StatusCode != http.StatusProxyAuthRequired {
		return nil
	}
	if proxy, _ := http.ProxyFromEnvironment(req); proxy != nil {
		return &ProxyError{Proxy: proxy.Host, Status: resp.Status}
	}
	return nil
}

func refusedByProxy(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &ProxyError{Proxy: proxy.Host, Status: resp.Status}
}
