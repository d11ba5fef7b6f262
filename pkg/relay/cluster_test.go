package relay_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// rounds is how many faults the cluster tests cause. The fourth, a killed node,
// takes as long as the first three, because a leader must be elected.
var rounds = flag.Int("relay.rounds", 3, "how many faults the cluster tests make; with less than 8, only one of these tests runs")

// needRounds skips a test that starts three servers and several listeners, and so
// takes long.
func needRounds(t *testing.T) {
	t.Helper()
	if *rounds < 8 {
		t.Skip("only with -relay.rounds=8 or more")
	}
}

// listenerProcess is a listener that can be killed.
type listenerProcess struct {
	t     *testing.T
	child listenerChild
	mu    sync.Mutex
	url   string
	cmd   *exec.Cmd
	stdin io.Closer
}

func startListener(t *testing.T, c listenerChild) *listenerProcess {
	t.Helper()
	l := &listenerProcess{t: t, child: c}
	l.start()
	t.Cleanup(l.end)
	return l
}

func (l *listenerProcess) start() {
	l.t.Helper()
	raw, err := json.Marshal(l.child)
	if err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), listenerEnv+"="+string(raw))
	cmd.Stderr = l.t.Output()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		l.t.Fatalf("listener %s did not start: %v", l.child.Name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.url, l.cmd, l.stdin = strings.TrimSpace(line), cmd, stdin
}

func (l *listenerProcess) kill() {
	_ = l.cmd.Process.Kill() // the load notices if it is gone already
	_ = l.cmd.Wait()
}

// end stops the listener cleanly.
func (l *listenerProcess) end() {
	_ = l.stdin.Close()
	if err := l.cmd.Wait(); err != nil && !strings.Contains(err.Error(), "killed") {
		l.t.Errorf("listener %s: %v", l.child.Name, err)
	}
}

func (l *listenerProcess) address() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.url
}

// generator sends events to the listeners, as a load balancer would spread them.
type generator struct {
	listeners []*listenerProcess
	client    *http.Client
	count     atomic.Int64

	mu       sync.Mutex
	promised map[string]bool
	refused  int
	slowest  time.Duration // of the answers
	noise    time.Duration // of answers that need no cluster
}

// send offers one event. It reports whether the event was promised.
func (l *generator) send(to *listenerProcess, id string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.address(), nil)
	if err != nil {
		return false
	}
	req.Header.Set("X-Id", id)
	start := time.Now()
	resp, err := l.client.Do(req)
	if err != nil {
		return false // a listener that was killed
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slowest = max(l.slowest, time.Since(start))
	if resp.StatusCode/100 != 2 {
		l.refused++
		return false
	}
	l.promised[id] = true
	return true
}

// listen measures what the machine itself adds to an answer's time.
func (l *generator) listen(to *listenerProcess) {
	start := time.Now()
	resp, err := l.client.Get(to.address() + "noise")
	if err != nil {
		return // a listener that was killed
	}
	_ = resp.Body.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.noise = max(l.noise, time.Since(start))
}

// run sends until ctx ends. It sends every fifth event to both listeners at the
// same time.
func (l *generator) run(ctx context.Context, workers int) *sync.WaitGroup {
	var all sync.WaitGroup
	for _, to := range l.listeners {
		all.Go(func() {
			for ctx.Err() == nil {
				l.listen(to)
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	for range workers {
		all.Go(func() {
			for ctx.Err() == nil {
				n := l.count.Add(1)
				id := fmt.Sprintf("e%06d", n)
				first := rand.N(len(l.listeners))
				if n%5 == 0 {
					var second sync.WaitGroup
					second.Go(func() { l.send(l.listeners[(first+1)%len(l.listeners)], id) })
					l.send(l.listeners[first], id)
					second.Wait()
				} else if !l.send(l.listeners[first], id) {
					l.send(l.listeners[(first+1)%len(l.listeners)], id)
				}
				time.Sleep(time.Millisecond) // leave processor time to the cluster
			}
		})
	}
	return &all
}

// chaos is a cluster with two listeners under load, and two applications.
type chaos struct {
	t         *testing.T
	nodes     *nodes
	proxies   []*proxy
	listeners []*listenerProcess
	load      *generator
	app       *application
	second    *application
	program   *script
	queue     *relay.Cluster
	stepDown  func(what string)
}

func newChaos(t *testing.T, program string, concurrency int) *chaos {
	t.Helper()
	c := &chaos{t: t, nodes: startNodes(t, program)}
	at := func(suffix string) *application {
		return newApplication(t, func(id string, attempt int) int {
			if strings.HasSuffix(id, suffix) && attempt == 1 {
				return http.StatusInternalServerError
			}
			return http.StatusOK
		})
	}
	c.app, c.second, c.program = at("50"), at("20"), newScript(t)
	c.queue = dialNodes(t, relay.DialOptions{URLs: c.nodes.urls, Replicas: 3})
	var proxied []string
	for _, url := range c.nodes.urls {
		p := startProxy(t, url)
		c.proxies, proxied = append(c.proxies, p), append(proxied, p.url)
	}
	c.listeners = []*listenerProcess{
		startListener(t, listenerChild{Name: "A", URLs: c.nodes.urls, App: c.app.URL, Second: c.second.URL, Program: c.program.path, Concurrency: concurrency}),
		startListener(t, listenerChild{Name: "B", URLs: proxied, App: c.app.URL, Second: c.second.URL, Program: c.program.path, Concurrency: concurrency}),
	}
	c.load = &generator{listeners: c.listeners, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}, promised: map[string]bool{}}
	t.Cleanup(c.load.client.CloseIdleConnections)
	admin := c.nodes.admin()
	c.stepDown = func(what string) { stepDown(t, admin, what) }
	return c
}

// fault is one temporary fault.
type fault struct {
	name string
	make func(c *chaos, round int)
}

func faults() []fault {
	return []fault{
		{"leaders step down", func(c *chaos, _ int) {
			c.stepDown("STREAM.LEADER.STEPDOWN.MENDER_EVENTS")
			time.Sleep(300 * time.Millisecond)
			c.stepDown("CONSUMER.LEADER.STEPDOWN.MENDER_EVENTS.forward")
			c.stepDown("CONSUMER.LEADER.STEPDOWN.MENDER_EVENTS.route-second")
			time.Sleep(300 * time.Millisecond)
		}},
		{"a listener is killed", func(c *chaos, _ int) {
			c.listeners[0].kill()
			time.Sleep(200 * time.Millisecond)
			c.listeners[0].start()
		}},
		{"the network is cut", func(c *chaos, _ int) {
			for _, p := range c.proxies {
				p.set(true)
			}
			time.Sleep(3 * time.Second)
			for _, p := range c.proxies {
				p.set(false)
			}
		}},
		{"a node is killed", func(c *chaos, round int) {
			node := round % 3
			c.nodes.kill(node)
			time.Sleep(time.Second)
			c.nodes.start(node)
		}},
	}
}

// round causes a fault under load, and waits until every acknowledged event was
// delivered at least once.
func (c *chaos) round(n int, f fault) {
	c.t.Helper()
	before := c.repeats()
	ctx, stop := context.WithCancel(c.t.Context())
	running := c.load.run(ctx, 3)
	time.Sleep(300 * time.Millisecond)
	f.make(c, n)
	time.Sleep(300 * time.Millisecond)
	stop()
	running.Wait()
	start := time.Now()
	missing := func() (out []string) {
		c.load.mu.Lock()
		promised := slices.Collect(maps.Keys(c.load.promised))
		c.load.mu.Unlock()
		for _, at := range c.destinations() {
			out = append(out, absent(at.wanted(promised), at.took)...)
		}
		return out
	}
	for deadline := time.Now().Add(2 * patience); ; time.Sleep(20 * time.Millisecond) {
		left := missing()
		if status, err := c.queue.Status(c.t.Context()); err == nil && status.Waiting == 0 && len(left) == 0 {
			break
		} else if time.Now().After(deadline) {
			c.t.Fatalf("round %d, %s: %d events are missing, such as %q; the queue: %+v, %v", n, f.name, len(left), left[:min(3, len(left))], status, err)
		}
	}
	repeats := c.repeats() - before
	c.load.mu.Lock()
	defer c.load.mu.Unlock()
	c.t.Logf("round %d, %s: %d events promised so far, %d refused, %d forwarded again; all there %s after",
		n, f.name, len(c.load.promised), c.load.refused, repeats, time.Since(start).Round(time.Millisecond))
	if c.load.slowest > 1500*time.Millisecond+2*c.load.noise {
		c.t.Errorf("round %d, %s: an answer took %s, on a machine that adds %s", n, f.name, c.load.slowest, c.load.noise)
	}
	c.load.slowest, c.load.noise = 0, 0
}

// destination has the events that a target took.
type destination struct {
	took []string
	skip func(id string) bool
}

// wanted returns the events that the target does not skip.
func (d destination) wanted(ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), d.skip)
}

// first returns the events in the order of their first deliveries.
func (d destination) first() (first []string) {
	seen := map[string]bool{}
	for _, id := range d.took {
		if !seen[id] {
			seen[id] = true
			first = append(first, id)
		}
	}
	return first
}

func (c *chaos) destinations() []destination {
	return []destination{
		{c.app.took(), func(string) bool { return false }},
		{c.second.took(), isSkipped},
		{c.program.ids(c.t), isNoProgram},
	}
}

// isNoProgram reports whether the target with the program skips an event. It skips most
// of them, because starting programs is slow.
func isNoProgram(id string) bool { return !strings.HasSuffix(id, "7") }

// repeats returns how many deliveries were duplicates.
func (c *chaos) repeats() int {
	repeats := 0
	for _, at := range c.destinations() {
		repeats += len(at.took) - len(at.first())
	}
	return repeats
}

// inOrder checks the order of first deliveries against the stream's.
func (c *chaos) inOrder() {
	c.t.Helper()
	var want []string
	for e, err := range c.queue.List(c.t.Context(), relay.Delivered) {
		if err != nil {
			c.t.Fatal(err)
		}
		want = append(want, e.ID)
	}
	for _, at := range c.destinations() {
		if diff := cmp.Diff(at.wanted(want), at.first()); diff != "" {
			c.t.Errorf("the order of first deliveries is not the stored one (-stored +delivered):\n%s", diff)
		}
	}
}

// TestCluster causes each fault of a cluster and of the listeners that share it.
func TestCluster(t *testing.T) {
	t.Parallel()
	c := newChaos(t, os.Args[0], 1)
	for n := range *rounds {
		all := faults()
		c.round(n, all[n%len(all)])
	}
	c.inOrder()
}

// TestClusterConcurrent is TestCluster with a concurrency that does not preserve
// order.
func TestClusterConcurrent(t *testing.T) {
	needRounds(t)
	c := newChaos(t, os.Args[0], 4)
	for n := range *rounds {
		all := faults()
		c.round(n, all[n%len(all)])
	}
}

// stockServer returns the path of the installed nats-server.
func stockServer(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("nats-server")
	if err != nil {
		t.Skip("no nats-server is installed")
	}
	version, err := exec.Command(program, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", version)
	return program
}

// TestStockServer is TestCluster with the installed nats-server.
func TestStockServer(t *testing.T) {
	needRounds(t)
	t.Parallel()
	c := newChaos(t, stockServer(t), 1)
	for i := range *rounds {
		all := faults()
		c.round(i, all[(i+1)%len(all)])
	}
	c.inOrder()
}

// publishTo stores events, each as soon as the cluster accepts it.
func publishTo(t testing.TB, q *relay.Cluster, ids ...string) {
	t.Helper()
	for _, id := range ids {
		eventually(t, id+" is stored", func() bool {
			outcome, err := q.Publish(t.Context(), event(id))
			if err != nil {
				t.Log(err)
			}
			return outcome == relay.Stored || outcome == relay.Duplicate
		})
	}
}
