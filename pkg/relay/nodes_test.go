package relay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// The test binary is also a node of a cluster, and a listener, so that they
// can be killed.
const (
	nodeEnv     = "RELAY_TEST_NODE"     // a configuration file for nats-server
	listenerEnv = "RELAY_TEST_LISTENER" // a listenerChild as JSON
)

// nodeChild is a nats-server until its standard input ends.
func nodeChild() int {
	o, err := server.ProcessConfigFile(os.Getenv(nodeEnv))
	if err != nil {
		return childError(err)
	}
	o.NoSigs, o.LogFile, o.Logtime = true, os.Getenv(nodeEnv)+".log", true
	s, err := server.NewServer(o)
	if err != nil {
		return childError(err)
	}
	s.ConfigureLogger()
	s.Start()
	_, _ = io.Copy(io.Discard, os.Stdin)
	s.Shutdown()
	return 0
}

// nodes are a cluster of three.
type nodes struct {
	t       testing.TB
	program string // a nats-server, or this binary
	configs []string
	urls    []string
	cmds    []*exec.Cmd
	stdins  []io.Closer
}

// startNodes runs three JetStream nodes with file storage on loopback.
func startNodes(t testing.TB, program string) *nodes {
	t.Helper()
	n := &nodes{t: t, program: program, cmds: make([]*exec.Cmd, 3), stdins: make([]io.Closer, 3)}
	ports := freePorts(t, 6)
	routes := fmt.Sprintf("nats://127.0.0.1:%d, nats://127.0.0.1:%d, nats://127.0.0.1:%d", ports[3], ports[4], ports[5])
	for i := range 3 {
		dir := t.TempDir()
		config := filepath.Join(dir, "nats.conf")
		text := fmt.Sprintf(`server_name: n%d
listen: "127.0.0.1:%d"
jetstream { store_dir: %q, max_file: 1G, max_mem: 16M }
cluster { name: test, listen: "127.0.0.1:%d", no_advertise: true, routes: [%s] }
`, i, ports[i], filepath.ToSlash(dir), ports[3+i], routes)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		n.configs = append(n.configs, config)
		n.urls = append(n.urls, fmt.Sprintf("nats://127.0.0.1:%d", ports[i]))
		n.start(i)
	}
	t.Cleanup(func() {
		for i := range 3 {
			n.kill(i)
		}
	})
	return n
}

func freePorts(t testing.TB, count int) []int {
	t.Helper()
	var ports []int
	for range count {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func (n *nodes) start(i int) {
	n.t.Helper()
	cmd := exec.Command(n.program, "-c", n.configs[i])
	if n.program == os.Args[0] {
		cmd = exec.Command(n.program)
		cmd.Env = append(os.Environ(), nodeEnv+"="+n.configs[i])
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.cmds[i], n.stdins[i] = cmd, stdin
}

// kill ends a node without giving it time to stop.
func (n *nodes) kill(i int) {
	if cmd := n.cmds[i]; cmd != nil {
		_ = cmd.Process.Kill() // it may be gone already
		_ = cmd.Wait()
		_ = n.stdins[i].Close()
		n.cmds[i] = nil
	}
}

// admin returns a connection for the test's own requests.
func (n *nodes) admin() *nats.Conn {
	n.t.Helper()
	nc, err := nats.Connect(strings.Join(n.urls, ","), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.RetryOnFailedConnect(true))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(nc.Close)
	return nc
}

// stepDown makes a leader resign.
func stepDown(t testing.TB, nc *nats.Conn, what string) {
	t.Helper()
	m, err := nc.Request("$JS.API."+what, nil, 5*time.Second)
	if err != nil {
		t.Logf("step down %s: %v", what, err)
		return
	}
	if !strings.Contains(string(m.Data), `"success":true`) {
		t.Logf("step down %s: %s", what, m.Data)
	}
}

// dialNodes opens the queue once all nodes have started.
func dialNodes(t testing.TB, o relay.DialOptions) *relay.Cluster {
	t.Helper()
	var c *relay.Cluster
	o.MaxBytes = 64 << 20
	if o.Logf == nil {
		o.Logf = quietLog(t)
	}
	eventually(t, "the cluster is there", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var err error
		start := time.Now()
		defer func() { t.Log("dialled for", time.Since(start)) }()
		c, err = relay.Dial(ctx, o)
		if err != nil {
			t.Log(err)
		}
		return err == nil
	})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// quietLog drops messages after the end of the test.
func quietLog(t testing.TB) relay.Logf {
	return func(format string, args ...any) {
		if t.Context().Err() == nil {
			t.Logf(format, args...)
		}
	}
}

// listenerChild holds the instructions for a listener process.
type listenerChild struct {
	Name        string
	URLs        []string
	App, Second string // of the routes forward and second; the target of second skips events
	Program     string // of the route program, whose target skips most events
	Concurrency int
}

// runListenerChild receives events over HTTP, as listen does, and forwards them.
func runListenerChild() int {
	var c listenerChild
	if err := json.Unmarshal([]byte(os.Getenv(listenerEnv)), &c); err != nil {
		return childError(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	q, err := relay.Dial(ctx, relay.DialOptions{
		URLs: c.URLs, Replicas: 3, MaxBytes: 64 << 20, Routes: named(relay.DefaultRoute, "second", "program"),
		Logf: func(format string, args ...any) { fmt.Fprintf(os.Stderr, c.Name+": "+format+"\n", args...) },
	})
	if err != nil {
		return childError(err)
	}
	var forwarders []*relay.Forwarder
	for route, to := range map[string]target.Target{
		relay.DefaultRoute: to(c.App), "second": without(to(c.Second), isSkipped), "program": without(toAny(c.Program), isNoProgram),
	} {
		f, err := q.Forward(relay.ForwardOptions{
			Route: route, Target: to, Concurrency: c.Concurrency, MinPause: 20 * time.Millisecond, MaxPause: 200 * time.Millisecond,
			Observe: func(s relay.Step) {
				if s.Attempt > 1 {
					fmt.Fprintf(os.Stderr, "%s, %s: %s at %d, attempt %d: %v\n", c.Name, route, s.ID, s.Sequence, s.Attempt, s.Err)
				}
			},
		})
		if err != nil {
			return childError(err)
		}
		forwarders = append(forwarders, f)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return childError(err)
	}
	fmt.Fprintf(os.Stdout, "http://%s/\n", l.Addr())
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/noise" {
				return
			}
			switch outcome, err := q.Publish(r.Context(), event(r.Header.Get("X-Id"))); outcome {
			case relay.Stored:
				w.WriteHeader(http.StatusNoContent)
			case relay.Duplicate:
				w.WriteHeader(http.StatusOK)
			default:
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
			}
		}))
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
	ctx, cancel = context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, f := range forwarders {
		if err := f.Stop(ctx); err != nil {
			return childError(err)
		}
	}
	_ = l.Close()
	if err := q.Close(); err != nil {
		return childError(err)
	}
	return 0
}

// proxy is the network between a listener and a node.
type proxy struct {
	target string
	url    string

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func startProxy(t testing.TB, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{target: strings.TrimPrefix(target, "nats://"), url: "nats://" + l.Addr().String()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
		p.set(false)
	})
	return p
}

// set cuts or restores the network. While it is cut, data is silently lost. When
// it is restored, earlier connections are closed.
func (p *proxy) set(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	if !cut {
		for _, c := range p.conns {
			_ = c.Close()
		}
		p.conns = nil
	}
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	node, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer node.Close()
	p.mu.Lock()
	p.conns = append(p.conns, client, node)
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pump(client, node) })
	both.Go(func() { p.pump(node, client) })
	both.Wait()
}

func (p *proxy) pump(to, from net.Conn) {
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		cut := p.cut
		p.mu.Unlock()
		if cut { // lost
			if err != nil {
				return
			}
			continue
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
