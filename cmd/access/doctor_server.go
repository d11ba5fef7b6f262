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

// examineServer checks what lies between here and the server.
func (d *Doctor) examineServer(ctx context.Context, set *config.Settings) bool {
	u, err := url.Parse(set.Server)
	if err != nil {
		d.add(bad(cli.ExitUsage, checkName, "", "the server's URL can't be read"))
		return false
	}
	name := d.serverName(ctx, u)
	d.add(name)
	if name.Status == Failed {
		d.add(left("the server's name comes first", checkTLS, checkServer, checkClock, checkToken, checkPermission, checkIntegration)...)
		return false
	}
	transport := d.serverTLS(ctx, set, u)
	d.add(transport)
	if transport.Status == Failed {
		d.add(left("the connection comes first", checkServer, checkClock, checkToken, checkPermission, checkIntegration)...)
		return false
	}
	return true
}

func (d *Doctor) serverName(ctx context.Context, u *url.URL) finding {
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); err == nil && proxy != nil {
		return unknown(checkName, "requests go through the proxy %s, which resolves the name %s", proxy.Host, u.Hostname())
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return good(checkName, "%s is an address", u.Hostname())
	}
	addresses, err := lookup(ctx, u.Hostname())
	if err != nil {
		return bad(cli.ExitServer, checkName, "is it spelt right? --server or MENDER_SERVER_URL says which server; behind a proxy, HTTPS_PROXY has to be set",
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
		return fmt.Sprintf("the name %s is not known here", host)
	}
	return fmt.Sprintf("the name %s can't be resolved: %v", host, err)
}

func joinAddresses(addresses []netip.Addr) string {
	texts := make([]string, len(addresses))
	for i, a := range addresses {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

// serverTLS connects as the API client does, and looks at the certificate.
func (d *Doctor) serverTLS(ctx context.Context, set *config.Settings, u *url.URL) finding {
	roots, err := rootsWith(set.CACertFile)
	if err != nil {
		return bad(cli.ExitUsage, checkTLS, "", "--ca-cert: %v", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, InsecureSkipVerify: set.SkipVerify} //nolint:gosec // asked for by the user, and said below
	answer, err := head(ctx, set.Server, c, http.ProxyFromEnvironment)
	switch {
	case err != nil:
		return bad(cli.ExitServer, checkTLS, tlsAdvice(err), "%v", err)
	case u.Scheme == "http" && isLocal(u.Hostname()):
		return good(checkTLS, "plain http, within this machine")
	case u.Scheme == "http":
		return doubtful(checkTLS, "use https, unless nobody listens in between", "the connection is plain http: the token crosses the network in clear")
	case set.SkipVerify:
		return doubtful(checkTLS, "trust the server's authority with --ca-cert instead", "the certificate is not checked (--skip-verify)")
	}
	return certificateFinding(checkTLS, answer.tls, d.App.Now(), "renew the server's certificate")
}

// isLocal reports whether a host is this machine by its name or address.
func isLocal(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// certificateFinding says how long the certificates of a connection last.
func certificateFinding(check string, state *tls.ConnectionState, now time.Time, renew string) finding {
	ends := state.PeerCertificates[0].NotAfter
	left := ends.Sub(now)
	text := fmt.Sprintf("%s, and the certificate lasts until %s", tls.VersionName(state.Version), output.Time(ends, true))
	if left < certificateWarning {
		return doubtful(check, renew, "%s, which is in %s", text, output.Duration(left))
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
		return "if the server's certificate is of an authority of your own, trust it with --ca-cert FILE"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the server's certificate; or set this machine's clock right"
	case errors.As(err, &host):
		return "use the name that the certificate was made for"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "is there a firewall in between, or a proxy to set with HTTPS_PROXY?"
	}
	return "is the server up, and its port right?"
}

// rootsWith are the system's authorities, and those of a file; nil means the
// system's alone.
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
		roots = x509.NewCertPool() // a system without a store still has this one
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return roots, nil
}

// reply is what a HEAD request brought.
type reply struct {
	tls      *tls.ConnectionState // nil for plain http
	status   int
	location string // where it redirects to
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
