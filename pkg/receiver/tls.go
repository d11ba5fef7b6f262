package receiver

import (
	"crypto/tls"
	"fmt"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/reload"
)

// certificateCheck is the shortest time between two looks at certificate files.
const certificateCheck = time.Second

// LoadTLS returns the TLS settings of a Server from a certificate (with those
// between it and its authority) and its key, as PEM files. They are looked at
// at most once a second, when someone connects, and read again when one of them
// changed. Files that cannot be used are an error at first; later on it is
// reported, once, and the previous certificate stays effective. report may be nil;
// it is called by the goroutine of a connection and must return at once.
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
		NextProtos: []string{"http/1.1"}, // all that Mender speaks
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return certificate.Get(), nil
		},
	}, nil
}
