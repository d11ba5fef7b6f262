package receiver_test

import (
	"crypto/tls"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Requests that net/http answers or refuses itself are traced.
func TestConnectionsWithoutARequestAreTraced(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	makeCert(t, certFile, keyFile, 1)
	conf, err := receiver.LoadTLS(certFile, keyFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		tls   *tls.Config
		bytes string // sent unchanged
		want  string
	}{
		"a failed handshake":    {conf, "\x16\x03\x01\xff\xff", "TLS handshake error"},
		"plain HTTP":            {conf, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "HTTP request to an HTTPS server"},
		"large headers":         {nil, "POST / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", "headers exceed 16384 bytes"},
		"what is not HTTP":      {nil, "hello\r\n\r\n", "malformed"},
		"after a good delivery": {nil, "POST / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", "headers exceed 16384 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var lines []string
			r := start(t, receiver.Options{}, receiver.ServerOptions{TLS: c.tls, Trace: func(text string) {
				mu.Lock()
				defer mu.Unlock()
				lines = append(lines, text)
			}})
			conn, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if strings.HasPrefix(name, "after") {
				if err := r.post(event, webhook.Secret{}).Write(conn); err != nil || statusOf(conn) != 204 {
					t.Fatal("the delivery failed", err)
				}
			}
			if _, err := conn.Write([]byte(c.bytes)); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it is traced", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return r.srv.Unreadable() == 1 && slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, c.want) })
			})
		})
	}
}

// Deliveries that are answered are not traced.
func TestAnsweredDeliveriesAreNotTraced(t *testing.T) {
	r := start(t, receiver.Options{Secrets: only(secret(t, "00ff"))}, receiver.ServerOptions{Trace: func(text string) { t.Error(text) }})
	r.do(r.post(event, secret(t, "00ff")))
	r.do(r.post(event, webhook.Secret{}))
	r.stop()
	_ = r.waitEnd()
	if n := r.srv.Unreadable(); n != 0 {
		t.Errorf("%d are unreadable", n)
	}
}
