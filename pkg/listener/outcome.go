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

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/httpclient"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
)

// Outcome describes in plain words how an attempt to forward an event ended.
type Outcome struct {
	// Text begins with "app" or "program", as in "app 401" or "app refused the
	// connection".
	Text string
	// Hint is the next step after a failure. It is the same for all failures of
	// a kind, so that a caller can show it once.
	Hint string
}

// OutcomeOf returns the outcome of an attempt. checked reports whether the event's
// signature was checked.
func OutcomeOf(f receiver.Forward, checked bool) Outcome {
	if strings.HasPrefix(f.URL, "exec:") {
		return programOutcome(f)
	}
	if f.Status != 0 {
		return Outcome{Text: fmt.Sprintf("app %d", f.Status), Hint: statusHint(f, checked)}
	}
	var (
		op        *net.OpError
		dns       *net.DNSError
		none      *net.AddrError // the name has no address of a suitable kind
		host      x509.HostnameError
		untrusted *tls.CertificateVerificationError
		plain     tls.RecordHeaderError
		proxy     *httpclient.ProxyError
	)
	switch {
	case errors.As(f.Err, &proxy):
		return Outcome{"app: a proxy refused the request", "add the application's host to NO_PROXY to reach it without the proxy"}
	case errors.As(f.Err, &op) && op.Op == "proxyconnect":
		return Outcome{"app: the proxy was not reached", "correct HTTP_PROXY or HTTPS_PROXY, or add the application's host to NO_PROXY"}
	case errors.Is(f.Err, syscall.ECONNREFUSED), strings.Contains(f.Error, "refused"): // other errors on Windows
		return Outcome{"app refused the connection", "start your application, or correct the URL to forward to: nothing listens at " + f.URL}
	case errors.Is(f.Err, context.DeadlineExceeded):
		return Outcome{"app did not answer in time", "let your application answer first and work later, or raise the time limit for an attempt"}
	case errors.Is(f.Err, context.Canceled):
		return Outcome{Text: "app interrupted"}
	case errors.As(f.Err, &dns), errors.As(f.Err, &none):
		return Outcome{"app not found", "correct the host in the URL to forward to"}
	case errors.As(f.Err, &host):
		return Outcome{"app certificate for another name", "in the URL to forward to, use a name that the application's certificate was issued for"}
	case errors.As(f.Err, &untrusted):
		return Outcome{"app certificate not trusted", "trust the certificate's authority with --ca-cert FILE, or pass --target-skip-verify"}
	case errors.Is(f.Err, http.ErrSchemeMismatch), errors.As(f.Err, &plain):
		return Outcome{"app without TLS", "begin the URL to forward to with http://"}
	case errors.Is(f.Err, io.EOF), errors.Is(f.Err, io.ErrUnexpectedEOF), errors.Is(f.Err, syscall.ECONNRESET):
		return Outcome{"app closed the connection", "see your application's log: it closed the connection before it answered"}
	}
	return Outcome{"app not reached", "check the URL to forward to, and that your application is running"}
}

// programOutcome returns the outcome of running a program.
func programOutcome(f receiver.Forward) Outcome {
	if f.Error == "" {
		return Outcome{Text: "program ok"}
	}
	return Outcome{"program failed", "see the program's output in the log; exit code 65 makes an event a dead letter"}
}

// statusHint returns the next step for an application's status.
func statusHint(f receiver.Forward, checked bool) string {
	switch {
	case f.Status < 300:
		return ""
	case f.Status < 400:
		return "forward to the final URL: redirects are not followed"
	case (f.Status == http.StatusUnauthorized || f.Status == http.StatusForbidden) && checked:
		return "your application rejected a valid signature: give it the same secret, and let it verify the raw body"
	case f.Status == http.StatusUnauthorized || f.Status == http.StatusForbidden:
		return "your application rejected the event, and the signature was not checked here: pass --secret-file to find out whether it is right"
	case f.Status == http.StatusNotFound || f.Status == http.StatusMethodNotAllowed:
		return "check the path of the URL to forward to: your application does not accept a POST at " + f.URL
	case f.Status < 500:
		return "see your application's log: it refused the event"
	case f.Status == http.StatusBadGateway || f.Status == http.StatusGatewayTimeout:
		return "check that your application is running: a proxy in front of it seems to have answered"
	}
	return "see your application's log: it failed to handle the event"
}
