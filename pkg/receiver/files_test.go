package receiver_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func put(t *testing.T, path, text string) {
	t.Helper()
	// Replace the file, as editors and secret stores do.
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// reports collects the reports of reloads.
type reports struct {
	mu  sync.Mutex
	got []receiver.Reload
}

func (r *reports) add(x receiver.Reload) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, x)
}

func (r *reports) all() []receiver.Reload {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]receiver.Reload(nil), r.got...)
}

func TestSecretsChangeWithoutLosingEvents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	was, next := secret(t, "deadbeef"), secret(t, "00ff00ff")
	put(t, path, "# the first\r\n\n  DEADBEEF  \r\n")
	var told reports
	files, err := receiver.LoadSecretFiles(told.add, path)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, receiver.Options{Secrets: files.Secrets}, receiver.ServerOptions{})
	answer := func(s webhook.Secret) int {
		resp, _ := r.do(r.post(event, s))
		return resp.StatusCode
	}
	if answer(was) != 204 || answer(next) != 401 {
		t.Fatal("before the change")
	}
	put(t, path, "deadbeef\n00ff00ff\n")
	eventually(t, "both are taken", func() bool { return answer(next) == 204 && answer(was) == 204 })
	put(t, path, "00ff00ff")
	eventually(t, "the old one is refused", func() bool { return answer(was) == 401 && answer(next) == 204 })
	put(t, path, "00ff00ff and more")
	eventually(t, "the bad file is reported", func() bool { answer(next); return len(told.all()) == 3 })
	if answer(next) != 204 {
		t.Error("a bad file took the secret away")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the missing file is reported", func() bool { answer(next); return len(told.all()) == 4 })
	put(t, path, "deadbeef")
	eventually(t, "the file is back", func() bool { return answer(was) == 204 })

	var got [][]string
	for _, x := range told.all() {
		line := append([]string{}, x.Fingerprints...)
		if x.Err != nil {
			line = append(line, "error")
			if strings.Contains(x.Err.Error(), "00ff00ff") {
				t.Errorf("the error gives the secret away: %v", x.Err)
			}
		}
		got = append(got, line)
	}
	w, n := was.Fingerprint(), next.Fingerprint()
	if diff := cmp.Diff([][]string{{w, n}, {n}, {n, "error"}, {n, "error"}, {w}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSecretFilesThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"":                         "no secret",
		"# deadbeef\n":             "no secret",
		"\n\ndeadbee":              "line 3",
		"nothex!!":                 "line 1",
		strings.Repeat("a", 70000): "larger than 65536 bytes",
	} {
		path := filepath.Join(dir, "secret")
		put(t, path, text)
		if _, err := receiver.LoadSecretFiles(nil, path); err == nil || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "nothex") {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	for _, path := range []string{dir, filepath.Join(dir, "missing")} {
		if _, err := receiver.LoadSecretFiles(nil, path); err == nil {
			t.Errorf("%s was taken", path)
		}
	}
}

// makeCert writes a certificate with the serial number, and its key.
func makeCert(t *testing.T, certFile, keyFile string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "receiver"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	put(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})))
}

func TestTLSReload(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if _, err := receiver.LoadTLS(certFile, keyFile, nil); err == nil {
		t.Error("missing files were taken")
	}
	makeCert(t, certFile, keyFile, 1)
	var told reports
	conf, err := receiver.LoadTLS(certFile, keyFile, told.add)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, receiver.Options{}, receiver.ServerOptions{TLS: conf})
	serial := func() int64 {
		c, err := tls.Dial("tcp", r.addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if serial() != 1 {
		t.Error("the first certificate is not served")
	}
	put(t, certFile, "rubbish")
	eventually(t, "the bad certificate is reported", func() bool { return serial() == 1 && len(told.all()) == 1 })
	makeCert(t, certFile, keyFile, 2)
	eventually(t, "the second certificate is served", func() bool { return serial() == 2 })
	if got := told.all(); got[0].Err == nil || got[len(got)-1].Err != nil {
		t.Errorf("reports: %+v", got)
	}

	// A delivery over TLS as Mender would send it, except for the authority.
	sender := webhook.NewSender(webhook.SenderOptions{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}})
	defer sender.Close()
	url := strings.Replace(r.url, "http:", "https:", 1)
	if d := sender.Send(context.Background(), url, []byte(event), webhook.Secret{}); d.Err != nil || d.StatusCode != http.StatusNoContent {
		t.Errorf("delivery: %+v", d)
	}
}
