package listener

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/httpclient"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
)

// The text says what the application did, and the hint what to do about it.
func TestOutcomes(t *testing.T) {
	failed := func(err error) receiver.Forward {
		err = fmt.Errorf("dial tcp: %w", err)
		return receiver.Forward{URL: "http://localhost:3000", Err: err, Error: err.Error()}
	}
	answered := func(status int) receiver.Forward {
		return receiver.Forward{URL: "http://localhost:3000", Status: status}
	}
	for _, test := range []struct {
		forward    receiver.Forward
		checked    bool
		text, hint string
	}{
		{answered(204), true, "app 204", ""},
		{answered(308), true, "app 308", "final URL"},
		{answered(401), true, "app 401", "your application rejected a valid signature"},
		{answered(403), false, "app 403", "was not checked here"},
		{answered(405), true, "app 405", "a POST at http://localhost:3000"},
		{answered(422), true, "app 422", "refused"},
		{answered(503), true, "app 503", "failed"},
		{answered(502), true, "app 502", "a proxy in front of it"},
		{failed(syscall.ECONNREFUSED), true, "app refused the connection", "nothing listens at http://localhost:3000"},
		{failed(syscall.ECONNRESET), true, "app closed the connection", "log"},
		{failed(io.EOF), true, "app closed the connection", "log"},
		{failed(context.DeadlineExceeded), true, "app did not answer in time", "the time limit for an attempt"},
		{failed(context.Canceled), true, "app interrupted", ""},
		{failed(&net.DNSError{Err: "no such host", Name: "nowhere"}), true, "app not found", "host"},
		{failed(&net.AddrError{Err: "no suitable address found", Addr: "nowhere"}), true, "app not found", "host"},
		{failed(http.ErrSchemeMismatch), true, "app without TLS", "http://"},
		{failed(tls.RecordHeaderError{}), true, "app without TLS", "http://"},
		{failed(&tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{}}}), true, "app certificate for another name", "use a name"},
		{failed(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), true, "app certificate not trusted", "--ca-cert"},
		{failed(&httpclient.ProxyError{Proxy: "proxy:3128", Status: "407"}), true, "app: a proxy refused the request", "NO_PROXY"},
		{failed(&net.OpError{Op: "proxyconnect", Err: syscall.ECONNREFUSED}), true, "app: the proxy was not reached", "HTTP_PROXY"},
		{failed(errors.New("no route to host")), true, "app not reached", "the URL to forward to"},
	} {
		got := OutcomeOf(test.forward, test.checked)
		if got.Text != test.text || (test.hint == "") != (got.Hint == "") || !strings.Contains(got.Hint, test.hint) {
			t.Errorf("%+v: %+v, want %q and a hint with %q", test.forward, got, test.text, test.hint)
		}
	}
}
