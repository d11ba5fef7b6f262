package doctor

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509/pkix"
)

// tlsServer returns a server with a certificate from a private authority that is
// valid for the given time.
func tlsServer(t *testing.T, lasts time.Duration, handler http.Handler) (server *httptest.Server, authority []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-90 * 24 * time.Hour), NotAfter: time.Now().Add(lasts),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	server = httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// TestReceiver examines receivers before and after Mender has delivered to them.
// Mender's own deliveries outweigh what this machine can reach.
func TestReceiver(t *testing.T) {
	t.Parallel()
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) })
	moved := http.RedirectHandler("https://elsewhere.example/?token=hunter2", http.StatusMovedPermanently)
	const month = 30 * 24 * time.Hour
	for name, test := range map[string]struct {
		lasts              time.Duration
		handler            http.Handler
		trusted, delivered bool
		status             Status
		finding, next      string
	}{
		"fine":                       {month, ok, true, false, OK, "it answers with TLS 1.3, and the certificate is valid until", ""},
		"self-signed":                {month, ok, false, false, Failed, "Mender refuses its certificate: x509: certificate signed by unknown authority", "a public authority"},
		"self-signed, but delivered": {month, ok, false, true, Warning, "but Mender's last delivery succeeded", "a public authority"},
		"expired":                    {-time.Hour, ok, true, false, Failed, "Mender refuses its certificate: x509: certificate has expired", "renew the receiver's certificate"},
		"ends soon":                  {10*24*time.Hour + time.Hour, ok, true, false, Warning, "which is in 10d", "renew"},
		"redirects":                  {month, moved, true, false, Warning, "it redirects (301) to https://elsewhere.example/?token=***, and Mender does not follow", "the final URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, authority := tlsServer(t, test.lasts, test.handler)
			d := &doctor{Options: Options{Now: time.Now, PublicRoots: x509.NewCertPool()}}
			if test.trusted {
				d.PublicRoots.AppendCertsFromPEM(authority)
			}
			u, err := url.Parse(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			f := d.receiver(t.Context(), u, test.delivered)
			if f.Status != test.status || !strings.Contains(f.Finding, test.finding) || !strings.Contains(f.Next, test.next) {
				t.Errorf("got %+v", f)
			}
		})
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]Status{
		"203.0.113.7": OK, "10.0.0.1": Warning, "[::1]": Warning, "[::ffff:192.168.0.1]": Warning,
		"169.254.169.254": Warning, "localhost": Warning, "receiver.invalid": Unknown,
	} {
		u, err := url.Parse("https://" + host + "/hook")
		if err != nil {
			t.Fatal(err)
		}
		if f := address(t.Context(), u, false); f.Status != want {
			t.Errorf("%s: got %+v, want %s", host, f, want)
		}
		if f := address(t.Context(), u, true); want == Warning && f.Status != OK {
			t.Errorf("%s, after a delivery: got %+v", host, f)
		}
	}
}
