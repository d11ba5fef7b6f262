package receiver

import (
	"crypto/tls"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// certificateCheck is how often certificate files are looked at.
const certificateCheck = time.Second

// certificate is a certificate kept in two files.
type certificate struct {
	certFile, keyFile string
	report            func(Reload)
	check             throttle
	current           atomic.Pointer[tls.Certificate]

	mu        sync.Mutex
	cert, key stamp
	failed    string // the last error reported
}

// LoadTLS makes the TLS settings of a Server from a certificate (with those
// between it and its authority) and its key, as PEM files. They are looked at
// once a second at most, when somebody connects, and read again when one of
// them changed. Files that can't be used are an error at first; later on it
// is reported, once, and the certificate before stays in force. report may be
// nil; it is called by the goroutine of a connection.
func LoadTLS(certFile, keyFile string, report func(Reload)) (*tls.Config, error) {
	if report == nil {
		report = func(Reload) {}
	}
	c := &certificate{
		certFile: certFile, keyFile: keyFile, report: report,
		check: throttle{every: certificateCheck},
	}
	if _, err := c.reload(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"}, // all that Mender speaks
		GetCertificate: c.get,
	}, nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.check.pass() && c.mu.TryLock() {
		switch changed, err := c.reload(); {
		case err != nil && err.Error() != c.failed:
			c.failed = err.Error()
			c.report(Reload{Path: c.certFile, Err: err})
		case changed:
			c.failed = ""
			c.report(Reload{Path: c.certFile})
		}
		c.mu.Unlock()
	}
	return c.current.Load(), nil
}

// reload reads both files if one of them changed.
func (c *certificate) reload() (changed bool, err error) {
	cert, err := stampOf(c.certFile)
	if err != nil {
		return false, fmt.Errorf("read the TLS certificate: %w", err)
	}
	key, err := stampOf(c.keyFile)
	if err != nil {
		return false, fmt.Errorf("read the TLS key: %w", err)
	}
	if c.cert.same(cert) && c.key.same(key) {
		return false, nil
	}
	c.cert, c.key = cert, key
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return false, fmt.Errorf("load the TLS certificate %s with the key %s: %w", c.certFile, c.keyFile, err)
	}
	c.current.Store(&pair)
	return true, nil
}
