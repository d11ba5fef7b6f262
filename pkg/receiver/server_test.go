package receiver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// dialRaw connects and sends the bytes of text.
func (r *running) dialRaw(text string) net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(15 * time.Second))
	_, _ = c.Write([]byte(text))
	return c
}

// statusOf reads an answer's status. It is 0 if the connection was closed.
func statusOf(c net.Conn) int {
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func TestSlowAndOversizedRequests(t *testing.T) {
	limits := receiver.ServerOptions{
		ReadHeaderTimeout: 100 * time.Millisecond, ReadTimeout: 200 * time.Millisecond, MaxHeaderBytes: 4096,
	}
	for _, c := range []struct {
		name, send string
		status     int
		reason     webhook.Reason // "" if no request was read
	}{
		{"nothing", "", 0, ""},
		{"half a header", "POST / HTTP/1.1\r\nHost: x\r\nX-", 400, ""},
		{"half a body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf", 408, "body-too-slow"},
		{"half a chunk", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", 408, "body-too-slow"},
		{"a huge announcement", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", 413, "body-too-large"},
		{"huge headers", "POST / HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("x", 10000) + "\r\n\r\n", 431, ""},
		{"no HTTP", "\x16\x03\x01 hello\r\n\r\n", 400, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, receiver.Options{}, limits)
			conn := r.dialRaw(c.send)
			if got := statusOf(conn); got != c.status {
				t.Errorf("answered %d, want %d", got, c.status)
			}
			if c.reason != "" {
				if rec := r.record(); rec.Reason != c.reason || rec.Verdict != webhook.Rejected {
					t.Errorf("record %+v", rec)
				}
			}
			eventually(t, "the connection is gone", func() bool { return r.srv.Conns() == 0 })
		})
	}
}

func TestBrokenOffBody(t *testing.T) {
	for _, head := range []string{
		"Content-Length: 100\r\n\r\n" + event[:50],
		"Transfer-Encoding: chunked\r\n\r\n32\r\n" + event[:50] + "\r\n",
	} {
		r := start(t, receiver.Options{}, receiver.ServerOptions{})
		c := r.dialRaw("POST / HTTP/1.1\r\nHost: x\r\n" + head)
		_ = c.(*net.TCPConn).CloseWrite()
		if rec := r.record(); rec.Verdict != webhook.Rejected || rec.Reason != "body-incomplete" || rec.Status != 400 {
			t.Errorf("record %+v", rec)
		}
	}
}

// All senders of incomplete large bodies together use no more than a fixed amount
// of memory, and small events get through.
func TestMemoryStaysBounded(t *testing.T) {
	s := secret(t, "deadbeef")
	r := start(t, receiver.Options{Secrets: only(s)}, receiver.ServerOptions{ReadTimeout: 20 * time.Second})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	half := strings.Repeat("x", 600<<10)
	var refused atomic.Int64
	var senders sync.WaitGroup
	release := make(chan struct{})
	for range 150 {
		c := r.dialRaw("POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n")
		senders.Go(func() {
			if _, err := c.Write([]byte(half)); err == nil {
				_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
			}
			<-release
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			if statusOf(c) == http.StatusServiceUnavailable {
				refused.Add(1)
			}
		})
	}
	var tooBusy int
	for tooBusy < 80 {
		if rec := r.record(); rec.Reason == "too-busy" && rec.Status == 503 {
			tooBusy++
		}
	}
	if resp, _ := r.do(r.post(event, s)); resp.StatusCode != 204 {
		t.Errorf("an honest event was answered %d", resp.StatusCode)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 100<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	r.stop()
	_ = r.srv.Close()
	close(release)
	senders.Wait()
}

func TestStopFinishesWhatIsInFlight(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := start(t, receiver.Options{AllowUnchecked: true, Accept: func(context.Context, *receiver.Request) receiver.Answer {
		close(entered)
		<-release
		return receiver.Answer{}
	}}, receiver.ServerOptions{})
	r.dialRaw("POST / HT") // a slow one, which must not delay the end
	c := r.dialRaw("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + fmt.Sprint(len(event)) + "\r\n\r\n" + event)
	<-entered
	r.stop()
	eventually(t, "no more connections are taken", func() bool {
		c, err := net.Dial("tcp", r.addr)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	select {
	case err := <-r.ended:
		t.Fatalf("Serve ended with a request in flight: %v", err)
	default:
	}
	close(release)
	if got := statusOf(c); got != 204 {
		t.Errorf("the request in flight was answered %d", got)
	}
	begin := time.Now()
	if err := r.waitEnd(); err != nil || time.Since(begin) > 4*time.Second {
		t.Errorf("Serve ended with %v after %s", err, time.Since(begin))
	}
}

func TestStopAbortsRequestsAfterGrace(t *testing.T) {
	for _, second := range []bool{false, true} {
		entered := make(chan struct{})
		r := start(t, receiver.Options{AllowUnchecked: true, Accept: func(ctx context.Context, _ *receiver.Request) receiver.Answer {
			close(entered)
			<-ctx.Done()
			return receiver.Answer{}
		}}, receiver.ServerOptions{Grace: map[bool]time.Duration{false: 50 * time.Millisecond, true: time.Hour}[second]})
		c := r.dialRaw("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + fmt.Sprint(len(event)) + "\r\n\r\n" + event)
		<-entered
		r.stop()
		if second {
			_ = r.srv.Close()
		}
		if err := r.waitEnd(); err == nil || !strings.Contains(err.Error(), "before all requests were answered") {
			t.Errorf("second %v: Serve ended with %v", second, err)
		}
		if got := statusOf(c); got != 0 {
			t.Errorf("answered %d", got)
		}
	}
}

func TestStopCutsDelaysShort(t *testing.T) {
	entered := make(chan struct{})
	r := start(t, receiver.Options{Delay: time.Hour, AllowUnchecked: true,
		Accept: func(context.Context, *receiver.Request) receiver.Answer {
			close(entered)
			return receiver.Answer{}
		}}, receiver.ServerOptions{})
	c := r.dialRaw("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + fmt.Sprint(len(event)) + "\r\n\r\n" + event)
	<-entered
	r.stop()
	if got := statusOf(c); got != 204 {
		t.Errorf("answered %d", got)
	}
	if err := r.waitEnd(); err != nil {
		t.Error(err)
	}
}

func TestListenerThatFails(t *testing.T) {
	rc, err := receiver.New(receiver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	good, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bad, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = bad.Close()
	err = receiver.NewServer(receiver.ServerOptions{Handler: rc}).Serve(context.Background(), good, bad)
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve ended with %v", err)
	}
}
