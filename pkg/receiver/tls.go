package receiver

import (
	"crypto/tls"
	"fmt"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/reload"
)

// certificateCheck is the shortest time between two checks of certificate files.
const certificateCheck = time.Second

// LoadTLS returns the TLS settings of a Server from PEM files: a certificate,
// with its intermediate certificates, and its key. New connections check the files
// for changes, at most once per second. LoadTLS fails if the files cannot be used.
// If that happens after a later change, it is reported once, and the previous
// certificate stays in effect. report may be nil; it is called by a connection's
// goroutine and must return at once.
func LoadTLS(certFile, keyFile string, report func(Reload)) (*tls.Config, error) {
	certificate, err := reload.New(reload.Options[*tls.Certificate]{
		Files: []string{certFile, keyFile},
		Every: certificateCheck,
		Read: func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(certFile, keyFile)
			if err != nil {
				return nil, fmt.Errorf("load the TLS certificate %s with the key %s: %w", certFile, keyFile, err)
			}
			return &pair, nil
		},
		Report: func(_ *tls.Certificate, err error) {
			if report != nil {
				report(Reload{Path: certFile, Err: err})
			}
		},
	})
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"}, // the only version that Mender uses
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return certificate.Get(), nil
		},
	}, nil
}
