package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/httpclient"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/urls"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// examineServer checks the name resolution and the TLS connection of the server.
// It reports whether to continue with the other checks.
func (d *doctor) examineServer(ctx context.Context) bool {
	u, err := url.Parse(d.Client.Server)
	if err != nil {
		d.add(failed(fault.Usage, checkName, "correct --server or MENDER_SERVER_URL", "invalid server URL"))
		return false
	}
	name := d.serverName(ctx, u)
	d.add(name)
	if name.Status == Failed {
		d.skip("depends on the server's name", checkTLS, checkServer, checkClock, checkToken, checkPermission, checkIntegration)
		return false
	}
	connection := d.serverTLS(ctx, u)
	d.add(connection)
	if connection.Status == Failed {
		d.skip("depends on the connection", checkServer, checkClock, checkToken, checkPermission, checkIntegration)
		return false
	}
	return true
}

func (d *doctor) serverName(ctx context.Context, u *url.URL) Finding {
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); err == nil && proxy != nil {
		return unknown(checkName, "requests go through the proxy %s, which resolves the name %s", proxy.Host, u.Hostname())
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return good(checkName, "%s is an IP address", u.Hostname())
	}
	addresses, err := lookup(ctx, u.Hostname())
	if err != nil {
		return failed(fault.Unavailable, checkName, "check the spelling in --server or MENDER_SERVER_URL; behind a proxy, set HTTPS_PROXY",
			"%s", lookupProblem(u.Hostname(), err))
	}
	return good(checkName, "%s is %s", u.Hostname(), join(addresses))
}

func lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i := range addresses {
		addresses[i] = addresses[i].Unmap()
	}
	return addresses, err
}

func lookupProblem(host string, err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return fmt.Sprintf("the name %s is unknown on this machine", host)
	}
	return fmt.Sprintf("the name %s cannot be resolved: %v", host, err)
}

func join(addresses []netip.Addr) string {
	texts := make([]string, len(addresses))
	for i, a := range addresses {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

// serverTLS connects to the server as the API client does, and examines the
// certificate.
func (d *doctor) serverTLS(ctx context.Context, u *url.URL) Finding {
	config, err := httpclient.TLS{CACertFile: d.Client.CACertFile, SkipVerify: d.Client.SkipVerify}.Config()
	if err != nil {
		return failed(fault.Usage, checkTLS, "", "--ca-cert: %v", err)
	}
	answer, err := d.head(ctx, d.Client.Server, httpclient.Transport(config))
	switch {
	case err != nil:
		return failed(fault.Unavailable, checkTLS, connectionAdvice(err), "%v", err)
	case u.Scheme == "http" && urls.IsLoopback(u.Hostname()):
		return good(checkTLS, "plain http, within this machine")
	case u.Scheme == "http":
		return warning(checkTLS, "use https", "plain http: the token crosses the network unencrypted")
	case d.Client.SkipVerify:
		return warning(checkTLS, "trust the server's authority with --ca-cert instead", "the certificate is not verified (--skip-verify)")
	}
	return d.certificate(checkTLS, answer.tls, "renew the server's certificate")
}

// certificate reports how long a connection's certificate remains valid.
func (d *doctor) certificate(check string, state *tls.ConnectionState, renew string) Finding {
	ends := state.PeerCertificates[0].NotAfter
	left := ends.Sub(d.Now())
	text := fmt.Sprintf("%s, and the certificate is valid until %s", tls.VersionName(state.Version), output.Time(ends, true))
	if left < certificateWarning {
		return warning(check, renew, "%s, which is in %s", text, output.Duration(left))
	}
	return good(check, "%s", text)
}

// connectionAdvice returns the user's next step after a failed connection.
func connectionAdvice(err error) string {
	var (
		refused *httpclient.ProxyError
		op      *net.OpError
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		host    x509.HostnameError
		timeout net.Error
	)
	switch {
	case errors.As(err, &refused), errors.As(err, &op) && op.Op == "proxyconnect":
		return "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and the user name and password in them"
	case errors.As(err, &unknown):
		return "trust your own authority with --ca-cert FILE"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the server's certificate, or correct this machine's clock"
	case errors.As(err, &host):
		return "use the name that the certificate was issued for"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "check for a firewall; behind a proxy, set HTTPS_PROXY"
	}
	return "check the port, and that the server is running"
}

// reply is the answer to a HEAD request.
type reply struct {
	tls      *tls.ConnectionState // nil for plain http
	status   int
	location string // the target of a redirect, or empty
}

// head sends a HEAD request without following redirects.
func (d *doctor) head(ctx context.Context, target string, transport *http.Transport) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, target, http.NoBody)
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("User-Agent", d.Client.UserAgent)
	transport.DisableKeepAlives = true
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return reply{}, err
	}
	return reply{resp.TLS, resp.StatusCode, resp.Header.Get("Location")}, resp.Body.Close()
}
