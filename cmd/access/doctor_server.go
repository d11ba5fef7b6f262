package access

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
	"os"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

func describeSettings(set *config.Settings) finding {
	from := "the default"
	for _, v := range set.Values() {
		if v.Key == "server" && v.From != "" {
			from = v.From
		}
	}
	return good(checkSettings, "server %s (from %s), profile %s, %s", set.Server, from, set.Profile, set.Token)
}

// examineServer checks the connection to the server.
func (d *Doctor) examineServer(ctx context.Context, set *config.Settings) bool {
	u, err := url.Parse(set.Server)
	if err != nil {
		d.add(bad(cli.ExitUsage, checkName, "", "invalid URL of the server"))
		return false
	}
	name := d.serverName(ctx, u)
	d.add(name)
	if name.Status == Failed {
		d.add(skip("the server's name must be fixed first", checkTLS, checkServer, checkClock, checkToken, checkPermission, checkIntegration)...)
		return false
	}
	transport := d.serverTLS(ctx, set, u)
	d.add(transport)
	if transport.Status == Failed {
		d.add(skip("the connection must be fixed first", checkServer, checkClock, checkToken, checkPermission, checkIntegration)...)
		return false
	}
	return true
}

func (d *Doctor) serverName(ctx context.Context, u *url.URL) finding {
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); err == nil && proxy != nil {
		return unknown(checkName, "requests use the proxy %s, which resolves the name %s", proxy.Host, u.Hostname())
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return good(checkName, "%s is an address", u.Hostname())
	}
	addresses, err := lookup(ctx, u.Hostname())
	if err != nil {
		return bad(cli.ExitServer, checkName, "check --server or MENDER_SERVER_URL; behind a proxy, set HTTPS_PROXY",
			"%s", lookupProblem(u.Hostname(), err))
	}
	return good(checkName, "%s is %s", u.Hostname(), joinAddresses(addresses))
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
		return fmt.Sprintf("unknown host name %s", host)
	}
	return fmt.Sprintf("cannot resolve the name %s: %v", host, err)
}

func joinAddresses(addresses []netip.Addr) string {
	texts := make([]string, len(addresses))
	for i, a := range addresses {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

// serverTLS connects like the API client and checks the certificate.
func (d *Doctor) serverTLS(ctx context.Context, set *config.Settings, u *url.URL) finding {
	roots, err := rootsWith(set.CACertFile)
	if err != nil {
		return bad(cli.ExitUsage, checkTLS, "", "--ca-cert: %v", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, InsecureSkipVerify: set.SkipVerify} //nolint:gosec // requested by the user, and reported below
	answer, err := head(ctx, set.Server, c, http.ProxyFromEnvironment)
	switch {
	case err != nil:
		return bad(cli.ExitServer, checkTLS, tlsAdvice(err), "%v", err)
	case u.Scheme == "http" && isLocal(u.Hostname()):
		return good(checkTLS, "plain http within this machine")
	case u.Scheme == "http":
		return doubtful(checkTLS, "use https, unless you trust the network", "plain http: the token is sent unencrypted")
	case set.SkipVerify:
		return doubtful(checkTLS, "trust the server's authority with --ca-cert instead", "the certificate is not verified (--skip-verify)")
	}
	return certificateFinding(checkTLS, answer.tls, d.App.Now(), "renew the server's certificate")
}

// isLocal reports whether a host is this machine.
func isLocal(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// certificateFinding reports until when the certificate of a connection is valid.
func certificateFinding(check string, state *tls.ConnectionState, now time.Time, renew string) finding {
	ends := state.PeerCertificates[0].NotAfter
	remaining := ends.Sub(now)
	text := fmt.Sprintf("%s, certificate valid until %s", tls.VersionName(state.Version), output.Time(ends, true))
	if remaining < certificateWarning {
		return doubtful(check, renew, "%s, in %s", text, output.Duration(remaining))
	}
	return good(check, "%s", text)
}

func tlsAdvice(err error) string {
	var unknownAuthority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var timeout net.Error
	switch {
	case errors.As(err, &unknownAuthority):
		return "if the certificate is from your own authority, trust it with --ca-cert FILE"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the server's certificate, or correct this machine's clock"
	case errors.As(err, &host):
		return "use a name that is in the certificate"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "check firewalls, or set a proxy with HTTPS_PROXY"
	}
	return "check that the server runs and that the port is right"
}

// rootsWith returns the system's authorities and those of a file; nil means only the
// system's.
func rootsWith(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // on a system without a store
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate in PEM format", file)
	}
	return roots, nil
}

// reply is the response to a HEAD request.
type reply struct {
	tls      *tls.ConnectionState // nil for plain http
	status   int
	location string // target of a redirect
}

// head makes a HEAD request without following redirects.
func head(ctx context.Context, target string, c *tls.Config, proxy func(*http.Request) (*url.URL, error)) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, target, nil)
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("User-Agent", "mender-webhooks/"+cli.Version())
	transport := &http.Transport{TLSClientConfig: c, Proxy: proxy, DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return reply{}, err
	}
	return reply{resp.TLS, resp.StatusCode, resp.Header.Get("Location")}, resp.Body.Close()
}
