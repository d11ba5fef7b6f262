package webhook

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rawReceiver accepts one connection after the other, sends the bytes of each
// request to the channel, and writes the answer, or closes or resets the
// connection.
func rawReceiver(t *testing.T, answer string) (addr string, requests <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 32)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			got <- readRaw(conn)
			switch answer {
			case closeAnswer:
			case resetAnswer:
				_ = conn.(*net.TCPConn).SetLinger(0)
			default:
				_, _ = io.WriteString(conn, answer)
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String(), got
}

// readRaw reads one request without net/http, which would normalize it.
func readRaw(conn net.Conn) string {
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(conn)
	var all strings.Builder
	length := 0
	for {
		line, err := r.ReadString('\n')
		all.WriteString(line)
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "content-length") {
			length, _ = strconv.Atoi(strings.TrimSpace(value))
		}
		if err != nil || line == "\r\n" {
			break
		}
	}
	body := make([]byte, length)
	_, _ = io.ReadFull(r, body)
	all.Write(body)
	return all.String()
}

// What a rawReceiver can do in place of an answer. The recorded deliveries call
// the first one a reset, although the log says EOF.
const (
	closeAnswer = "close"
	resetAnswer = "reset"
)

const noContent = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"

func newSender(t *testing.T, o SenderOptions) *Sender {
	t.Helper()
	s := NewSender(o)
	t.Cleanup(s.Close)
	return s
}

// Except for the port, every byte is the same as iot-manager's.
func TestSendsWhatWasRecorded(t *testing.T) {
	addr, requests := rawReceiver(t, noContent)
	sender := newSender(t, SenderOptions{})
	for _, r := range recordings(t) {
		d := sender.Send(t.Context(), "http://"+addr+r.Path, r.body, r.secret(t))
		if !d.Success() || d.StatusCode != http.StatusNoContent || d.Duration <= 0 || d.TimedOut() {
			t.Fatalf("%s: %+v", r.title(), d)
		}
		head, body, _ := strings.Cut(<-requests, "\r\n\r\n")
		requestLine, fields, _ := strings.Cut(head, "\r\n")
		if want := r.Method + " " + r.Path + " HTTP/1.1"; requestLine != want {
			t.Errorf("%q, want %q", requestLine, want)
		}
		got := map[string]string{}
		for field := range strings.SplitSeq(fields, "\r\n") {
			name, value, _ := strings.Cut(field, ": ")
			if _, twice := got[name]; twice {
				t.Errorf("header %s comes twice", name)
			}
			got[name] = value
		}
		want := map[string]string{}
		for name, value := range r.HeaderText {
			want[name] = value
		}
		want["Host"] = addr
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("headers (-recorded +sent):\n%s", diff)
		}
		if diff := cmp.Diff(string(r.body), body); diff != "" {
			t.Errorf("body (-recorded +sent):\n%s", diff)
		}
	}
}

// The recorded receiver's answers have the same results as in Mender's log.
func TestJudgesAsRecorded(t *testing.T) {
	const closed = "Connection: close\r\nContent-Length: 0\r\n\r\n"
	for _, test := range []struct {
		name, answer string
		status       int
		err          string
	}{
		{"200", "HTTP/1.1 200 OK\r\n" + closed, 200, ""},
		{"204", noContent, 204, ""},
		{"299", "HTTP/1.1 299 Odd\r\n" + closed, 299, ""},
		{"300", "HTTP/1.1 300 Multiple Choices\r\n" + closed, 300, "client: unexpected status code from API: 300"},
		{"redirect", "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n" + closed, 302, "client: unexpected status code from API: 302"},
		{"308 with the same method", "HTTP/1.1 308 Permanent Redirect\r\nLocation: /elsewhere\r\n" + closed, 308, "client: unexpected status code from API: 308"},
		{"410", "HTTP/1.1 410 Gone\r\n" + closed, 410, "client: unexpected status code from API: 410"},
		{"500", "HTTP/1.1 500 Internal Server Error\r\n" + closed, 500, "client: unexpected status code from API: 500"},
		{"a broken body does not matter", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100\r\n\r\nshort", 200, ""},
		{"reset", resetAnswer, 0, "connection reset by peer"},
		{"closed without an answer", closeAnswer, 0, `Post "http://ADDR/hook": EOF`},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n", 0, "malformed HTTP"},
	} {
		t.Run(test.name, func(t *testing.T) {
			addr, requests := rawReceiver(t, test.answer)
			d := newSender(t, SenderOptions{}).Send(t.Context(), "http://"+addr+"/hook", []byte("{}"), Secret{})
			if d.StatusCode != test.status || d.Success() != (test.err == "") || d.TimedOut() {
				t.Errorf("%+v, want status %d", d, test.status)
			}
			want := strings.ReplaceAll(test.err, "ADDR", addr)
			if d.Err != nil && !strings.Contains(d.Err.Error(), want) {
				t.Errorf("error %q, want %q in it", d.Err, want)
			}
			var status *StatusError
			if errors.As(d.Err, &status) != (test.status >= 300) {
				t.Errorf("error %#v", d.Err)
			}
			<-requests
			select {
			case again := <-requests:
				t.Errorf("a second request: %s", again)
			default:
			}
		})
	}
}

func TestSendToAClosedPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	d := newSender(t, SenderOptions{}).Send(t.Context(), "http://"+addr+"/closed", nil, Secret{})
	want := `Post "http://` + addr + `/closed": dial tcp ` + addr + `: connect: connection refused`
	if d.StatusCode != 0 || d.Err == nil || d.Err.Error() != want || d.TimedOut() {
		t.Errorf("%+v, want %s", d, want)
	}
}

func TestSendToNoHTTP(t *testing.T) {
	sender := newSender(t, SenderOptions{})
	for url, want := range map[string]string{
		"ftp://example.com/x": `Post "ftp://example.com/x": unsupported protocol scheme "ftp"`,
		"example.com/x":       `Post "example.com/x": unsupported protocol scheme ""`,
		"http://[::1":         "missing ']' in host",
		"http://a b/":         "invalid character",
	} {
		d := sender.Send(t.Context(), url, nil, Secret{})
		if d.Success() || d.StatusCode != 0 || !strings.Contains(d.Err.Error(), want) {
			t.Errorf("%s: %+v, want %q", url, d, want)
		}
	}
}

// The timeout covers everything up to the answer's headers.
func TestSendTimesOut(t *testing.T) {
	for name, accept := range map[string]bool{"no answer": true, "not even a connection taken": false} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if accept {
				go func() {
					if conn, err := l.Accept(); err == nil {
						_, _ = io.Copy(io.Discard, conn) // until the sender gives up
						_ = conn.Close()
					}
				}()
			}
			d := newSender(t, SenderOptions{Timeout: 50 * time.Millisecond}).
				Send(t.Context(), "http://"+l.Addr().String()+"/", []byte("{}"), Secret{})
			if !d.TimedOut() || d.Success() || d.StatusCode != 0 || d.Duration < 50*time.Millisecond {
				t.Errorf("%+v", d)
			}
		})
	}
}

func TestSendInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d := newSender(t, SenderOptions{}).Send(ctx, "http://127.0.0.1:9/", nil, Secret{})
	if !errors.Is(d.Err, context.Canceled) || d.TimedOut() {
		t.Errorf("%+v", d)
	}
}

func TestDefaultTimeout(t *testing.T) {
	if got := NewSender(SenderOptions{}).timeout; got != 10*time.Second {
		t.Errorf("%v", got)
	}
}

func TestSendBasicAuth(t *testing.T) {
	addr, requests := rawReceiver(t, closeAnswer)
	d := newSender(t, SenderOptions{}).Send(t.Context(), "http://user:pa%20ss@"+addr+"/", nil, Secret{})
	head, err := textproto.NewReader(bufio.NewReader(strings.NewReader(
		strings.SplitAfterN(<-requests, "\r\n", 2)[1]))).ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := head.Get("Authorization"), "Basic dXNlcjpwYSBzcw=="; got != want {
		t.Errorf("Authorization: %q, want %q", got, want)
	}
	if d.Err == nil || strings.Contains(d.Err.Error(), "pa%20ss") || strings.Contains(d.Err.Error(), "pa ss") {
		t.Errorf("the error tells the password: %v", d.Err)
	}
}

func TestCheckAddress(t *testing.T) {
	var asked []string
	refuse := errors.New("hostname resolves to reserved address")
	_, port, err := net.SplitHostPort(httptestAddr(t, func(http.ResponseWriter, *http.Request) {
		t.Error("the request arrived all the same")
	}))
	if err != nil {
		t.Fatal(err)
	}
	sender := newSender(t, SenderOptions{CheckAddress: func(address string) error {
		asked = append(asked, address)
		return refuse
	}})
	d := sender.Send(t.Context(), "http://127.0.0.1:"+port+"/", nil, Secret{})
	if !errors.Is(d.Err, refuse) || d.StatusCode != 0 {
		t.Errorf("%+v", d)
	}
	if diff := cmp.Diff([]string{"127.0.0.1:" + port}, asked); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
}

func httptestAddr(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// Connections are reused after an answer without a body.
func TestConnectionsAreReused(t *testing.T) {
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	sender := newSender(t, SenderOptions{})
	for range 5 {
		if d := sender.Send(t.Context(), server.URL, []byte("{}"), Secret{}); !d.Success() {
			t.Fatalf("%+v", d)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections for 5 deliveries", n)
	}
}

// net/http never uses the environment's proxy for loopback, where all the
// other tests are, so look inside.
func TestNoProxy(t *testing.T) {
	if newSender(t, SenderOptions{}).client.Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy may be used; iot-manager uses none")
	}
}

// HTTP/2 is not offered, and certificates are checked.
func TestSendOverTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("protocol %s", r.Proto)
		}
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	d := newSender(t, SenderOptions{}).Send(t.Context(), server.URL, nil, Secret{})
	if d.Success() || !strings.Contains(d.Err.Error(), "tls: failed to verify certificate") {
		t.Errorf("untrusted certificate: %+v", d)
	}
	trusting := &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	if d := newSender(t, SenderOptions{Transport: &http.Transport{TLSClientConfig: trusting}}).Send(t.Context(), server.URL, nil, Secret{}); !d.Success() {
		t.Errorf("a trusted one: %+v", d)
	}
}
