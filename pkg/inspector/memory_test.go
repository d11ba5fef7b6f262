package inspector_test

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/inspector"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
)

var manyEvents = flag.Int("inspector.events", 12_000, "how many events TestOpenPagesDoNotGrowMemory sends")

// TestOpenPagesDoNotGrowMemory sends events as fast as they go while two pages are
// open, one of which reads nothing. The bodies are so large that the limit in bytes
// applies to the buffer of each page, and the limit of events to the history.
func TestOpenPagesDoNotGrowMemory(t *testing.T) {
	const (
		connections = 8
		rounds      = 5
		body        = 9 << 10
		limit       = 1000*(body+1<<10) + 2*(32<<20) + 16<<20 // history, two buffers, and the events in progress
	)
	events, page := servePage(t)
	event := fmt.Sprintf(`{"id":"e1","type":"device-status-changed","data":{"id":"d1","status":"accepted","text":%q}}`, strings.Repeat("x", body))
	request := fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer topsecret\r\nContent-Length: %d\r\n\r\n%s", len(event), event)
	var read atomic.Int64
	alive := make(chan struct{})
	reading := openPage(t, page, 1<<20)
	go func() {
		for reading.Scan() {
			if strings.HasPrefix(reading.Text(), "event: item") {
				read.Add(1)
			}
			select {
			case alive <- struct{}{}:
			default:
			}
		}
	}()
	openPage(t, page, 4<<10) // reads nothing from now on

	before, most := heap(), uint64(0)
	for range rounds {
		var senders sync.WaitGroup
		for range connections {
			senders.Go(func() {
				if err := sendAll(events, request, *manyEvents/rounds/connections); err != nil {
					t.Error(err)
				}
			})
		}
		senders.Wait()
		most = max(most, heap()-before)
	}
	<-alive
	t.Logf("%d events, %d of them read by the page so far: at most %d MiB in use", *manyEvents, read.Load(), most>>20)
	if most > limit {
		t.Errorf("%d MiB in use, want at most %d", most>>20, limit>>20)
	}
}

// servePage starts a listener that only shows events, and its inspector. It returns
// the address for events, and a request for the page's stream.
func servePage(t *testing.T) (events string, stream *http.Request) {
	t.Helper()
	l, err := listener.Open(t.Context(), listener.Options{Endpoints: []listener.Endpoint{{Receiver: receiver.Options{AllowUnchecked: true}}}, Info: t.Logf, Warn: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	in, page := listen(t), listen(t)
	ins := inspector.New(inspector.Options{Listener: l})
	base, token, _ := strings.Cut(ins.URL(page.Addr()), "#")
	stream, err = http.NewRequest(http.MethodGet, base+"api/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	stream.Header.Set("X-Inspector-Token", token)
	serve(t, l, in, ins, page)
	return in.Addr().String(), stream
}

// openPage opens the stream with a socket buffer of a size in bytes, and reads its
// first line.
func openPage(t *testing.T, stream *http.Request, buffer int) *bufio.Scanner {
	t.Helper()
	conn, err := net.Dial("tcp", stream.URL.Host)
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
		err = errors.Join(conn.(*net.TCPConn).SetReadBuffer(buffer), stream.Write(conn))
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(conn)
	if !lines.Scan() || lines.Text() != "HTTP/1.1 200 OK" {
		t.Fatalf("the page's stream: %q, %v", lines.Text(), lines.Err())
	}
	return lines
}

// sendAll sends the request n times over one connection.
func sendAll(addr, request string, n int) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for range n {
		if _, err := conn.Write([]byte(request)); err != nil {
			return err
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			return err
		}
		if answer.StatusCode != http.StatusNoContent {
			return fmt.Errorf("answered %s", answer.Status)
		}
	}
	return nil
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // frees what finalizers held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
