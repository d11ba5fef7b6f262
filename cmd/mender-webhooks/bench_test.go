//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// The load of the benchmarks: the number of keep-alive connections, and of
// requests before the next program's turn.
const (
	benchConnections = 16
	benchTurn        = 4000
)

// BenchmarkListen sends signed events with different ids to listen and, in turns,
// to a bare handler that reads the body and answers 204. Each runs in its own
// process, over loopback.
//
//	go test -run '^$' -bench Listen -benchtime 100000x ./cmd/mender-webhooks
//
// Each program receives b.N requests.
func BenchmarkListen(b *testing.B) {
	for _, mode := range []struct {
		name  string
		flags func(dir string) []string
	}{
		{"none", func(string) []string { return nil }},
		{"store", func(dir string) []string { return []string{"--store", dir} }},
		{"sync", func(dir string) []string { return []string{"--store", dir, "--sync"} }},
	} {
		b.Run(mode.name, func(b *testing.B) {
			bare := startServer(b, "bare-handler", regexp.MustCompile(`listening on http://(\S+)`))
			compete(b, bare, startListen(b, mode.flags(b.TempDir())...))
		})
	}
}

// BenchmarkRoutes is BenchmarkListen with a store and with several routes: to targets
// that are down, which shows the cost of a route for receiving, and to a target that
// answers at once, which takes processor time from receiving.
//
//	go test -run '^$' -bench Routes -benchtime 40000x ./cmd/mender-webhooks
func BenchmarkRoutes(b *testing.B) {
	for _, up := range []bool{false, true} {
		for _, routes := range []int{1, 3, 10} {
			b.Run(fmt.Sprintf("up=%t/routes=%d", up, routes), func(b *testing.B) {
				bare := startServer(b, "bare-handler", regexp.MustCompile(`listening on http://(\S+)`))
				url := "http://127.0.0.1:1"
				if up {
					app := startServer(b, "bare-handler", regexp.MustCompile(`listening on http://(\S+)`))
					url = "http://" + app.conns[0].RemoteAddr().String()
				}
				flags := []string{"--store", b.TempDir()}
				for n := range routes {
					flags = append(flags, "--forward-to", fmt.Sprintf("r%d=%s", n, url))
				}
				compete(b, bare, startListen(b, flags...))
			})
		}
	}
}

// BenchmarkInspect compares listen with --inspect to listen without it, which is
// the bare program in its figures.
//
//	go test -run '^$' -bench Inspect -benchtime 100000x ./cmd/mender-webhooks
func BenchmarkInspect(b *testing.B) {
	compete(b, startListen(b), startListen(b, "--inspect=127.0.0.1:0"))
}

func startListen(b *testing.B, flags ...string) *contender {
	flags = append([]string{"listen", "--addr", "127.0.0.1:0", "--secret", "deadbeef", "-o", "none"}, flags...)
	return startServer(b, "mender-webhooks", regexp.MustCompile(`listening on http://([^\s;]+)`), flags...)
}

// compete sends b.N requests to each of the two, ends them, and reports their
// figures. They take turns at being first, since the second is slowed down by the
// garbage that generating the requests leaves behind.
func compete(b *testing.B, bare, ours *contender) {
	first, second := bare, ours
	for done := 0; done < b.N; done += benchTurn {
		requests := signedRequests(b, min(benchTurn, b.N-done))
		first.send(b, requests)
		second.send(b, requests)
		first, second = second, first
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(bare.rate(), "bare/s")
	b.ReportMetric(ours.rate(), "listen/s")
	b.ReportMetric(ours.rate()/bare.rate(), "ratio")
	b.ReportMetric(ours.p99(), "p99-ms")
	b.ReportMetric(bare.stop(b), "bare-cpu-µs")
	b.ReportMetric(ours.stop(b), "listen-cpu-µs")
}

// bareHandler is the handler that listen is compared with.
func bareHandler() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	fmt.Fprintf(os.Stderr, "listening on http://%s\n", l.Addr())
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
}

// contender is one of the compared programs, with its figures.
type contender struct {
	command *exec.Cmd
	conns   []net.Conn
	spent   time.Duration
	took    [benchConnections][]time.Duration
}

func startServer(b *testing.B, name string, ready *regexp.Regexp, args ...string) *contender {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	program := filepath.Join(b.TempDir(), name)
	if err := os.Symlink(self, program); err != nil {
		b.Fatal(err)
	}
	command := exec.Command(program, args...)
	home := b.TempDir()
	command.Env = []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home}
	stderr := newWatched()
	command.Stderr = stderr
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	m, err := stderr.find(ready, nil)
	if err != nil {
		b.Fatalf("%s: %v: %s", name, err, stderr)
	}
	c := &contender{command: command}
	for range benchConnections {
		conn, err := net.Dial("tcp", m[1])
		if err != nil {
			b.Fatal(err)
		}
		c.conns = append(c.conns, conn)
	}
	b.Cleanup(func() { _ = command.Process.Kill() }) // if the benchmark failed
	return c
}

// send shares the requests among the connections and waits for the answers.
func (c *contender) send(b *testing.B, requests [][]byte) {
	var senders sync.WaitGroup
	begin := time.Now()
	for n, conn := range c.conns {
		senders.Go(func() {
			in := bufio.NewReader(conn)
			for i := n; i < len(requests); i += len(c.conns) {
				start := time.Now()
				if err := roundTrip(conn, in, requests[i]); err != nil {
					b.Error(err)
					return
				}
				c.took[n] = append(c.took[n], time.Since(start))
			}
		})
	}
	senders.Wait()
	c.spent += time.Since(begin)
}

// roundTrip writes a request without net/http, so that the time measured is the
// server's.
func roundTrip(conn net.Conn, in *bufio.Reader, request []byte) error {
	if _, err := conn.Write(request); err != nil {
		return err
	}
	line, err := in.ReadSlice('\n')
	if err != nil || !bytes.HasPrefix(line, []byte("HTTP/1.1 204")) {
		return fmt.Errorf("answered %q, %w", line, err)
	}
	for len(line) > 2 { // to the blank line
		if line, err = in.ReadSlice('\n'); err != nil {
			return err
		}
	}
	return nil
}

// stop ends the program and returns its processor time per request, in
// microseconds. On a busy machine that varies less than the rate.
func (c *contender) stop(b *testing.B) float64 {
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	if err := c.command.Process.Signal(syscall.SIGTERM); err != nil {
		b.Fatal(err)
	}
	_ = c.command.Wait() // the bare one dies of the signal
	spent := c.command.ProcessState.UserTime() + c.command.ProcessState.SystemTime()
	return float64(spent.Microseconds()) / float64(c.requests())
}

func (c *contender) requests() int {
	n := 0
	for _, took := range c.took {
		n += len(took)
	}
	return n
}

func (c *contender) rate() float64 { return float64(c.requests()) / c.spent.Seconds() }

func (c *contender) p99() float64 {
	all := slices.Concat(c.took[:]...)
	slices.Sort(all)
	return float64(all[len(all)*99/100].Microseconds()) / 1000
}

// signedRequests returns deliveries in the form in which Mender's server writes
// them.
func signedRequests(b *testing.B, n int) [][]byte {
	secret, err := webhook.ParseSecret("deadbeef")
	if err != nil {
		b.Fatal(err)
	}
	requests := make([][]byte, n)
	for i := range requests {
		event, err := webhook.NewEvent(uuid.NewString(), webhook.DeviceStatusChanged, time.Now(),
			webhook.StatusChange{ID: uuid.NewString(), Status: webhook.StatusAccepted})
		if err != nil {
			b.Fatal(err)
		}
		body, err := event.MarshalJSON()
		if err != nil {
			b.Fatal(err)
		}
		req, err := webhook.NewRequest(context.Background(), "http://127.0.0.1/", body, secret)
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", "gzip")
		var raw bytes.Buffer
		if err := req.Write(&raw); err != nil {
			b.Fatal(err)
		}
		requests[i] = raw.Bytes()
	}
	return requests
}
