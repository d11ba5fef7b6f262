package receiver_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// delivery is one request of testdata/*deliveries.json, as the real
// iot-manager sent it.
type delivery struct {
	Method, Path string
	Headers      map[string]string
	BodyBase64   string  `json:"body_base64"`
	SecretHex    *string `json:"secret_hex"`
	body         []byte
}

func recorded(t testing.TB) []delivery {
	t.Helper()
	var all []delivery
	for _, name := range []string{"deliveries.json", "devices-deliveries.json"} {
		raw, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		var file struct{ Deliveries []delivery }
		if err := json.Unmarshal(raw, &file); err != nil {
			t.Fatal(err)
		}
		all = append(all, file.Deliveries...)
	}
	for i := range all {
		d := &all[i]
		var err error
		if d.body, err = base64.StdEncoding.DecodeString(d.BodyBase64); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// request returns the recorded request with the same headers, and with another
// body if one is given.
func (d delivery) request(t testing.TB, base string, body []byte) *http.Request {
	t.Helper()
	req, err := http.NewRequest(d.Method, base+d.Path, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range d.Headers {
		if name != "Host" && name != "Content-Length" {
			req.Header.Set(name, value)
		}
	}
	return req
}

func secret(t testing.TB, hex string) webhook.Secret {
	t.Helper()
	s, err := webhook.ParseSecret(hex)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func only(s ...webhook.Secret) func() []webhook.Secret {
	return func() []webhook.Secret { return s }
}

// running is a Receiver behind a Server on a loopback port.
type running struct {
	t       testing.TB
	rc      *receiver.Receiver
	srv     *receiver.Server
	addr    string
	url     string
	records chan receiver.Record
	stop    context.CancelFunc
	ended   chan error // Serve's result
	client  *http.Client
}

// start starts a server with the options and stops it when the test ends. Records
// arrive in r.records unless o.Observe is set.
func start(t testing.TB, o receiver.Options, so receiver.ServerOptions) *running {
	t.Helper()
	r := &running{t: t, records: make(chan receiver.Record, 4096), ended: make(chan error, 1)}
	if o.Observe == nil {
		o.Observe = func(x receiver.Exchange) { r.records <- x.Record() }
	}
	var err error
	if r.rc, err = receiver.New(o); err != nil {
		t.Fatal(err)
	}
	so.Handler = r.rc
	r.srv = receiver.NewServer(so)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr, r.url = l.Addr().String(), "http://"+l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() { r.ended <- r.srv.Serve(ctx, l) }()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	r.client = &http.Client{Transport: transport, Timeout: 20 * time.Second}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		_ = r.srv.Close()
		_ = r.waitEnd()
	})
	return r
}

func (r *running) waitEnd() error {
	select {
	case err := <-r.ended:
		r.ended <- err
		return err
	case <-time.After(15 * time.Second):
		r.t.Error("Serve did not end")
		return nil
	}
}

// do sends a request and returns the answer's status, header and body.
func (r *running) do(req *http.Request) (*http.Response, string) {
	r.t.Helper()
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var b strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := resp.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return resp, b.String()
		}
	}
}

// record waits for the next record.
func (r *running) record() receiver.Record {
	r.t.Helper()
	select {
	case rec := <-r.records:
		return rec
	case <-time.After(10 * time.Second):
		r.t.Fatal("no record received")
		return receiver.Record{}
	}
}

const event = `{"id":"e-1","type":"device-status-changed","data":{"id":"d-1","status":"accepted"},"time":"2026-11-23T10:00:00Z"}`

// post returns a delivery of body, signed if there is a secret.
func (r *running) post(body string, s webhook.Secret) *http.Request {
	r.t.Helper()
	req, err := webhook.NewRequest(context.Background(), r.url+"/hook", []byte(body), s)
	if err != nil {
		r.t.Fatal(err)
	}
	return req
}

// eventually polls until ok returns true, and fails the test after some seconds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}
