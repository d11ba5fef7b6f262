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
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/exectarget"
)

// kills is how often TestKill kills the process: -relay.kills=100 for the
// long run.
var kills = flag.Int("relay.kills", 10, "how often the crash test kills the process")

// childEnv, if set, turns the test binary into the process to be killed.
const childEnv = "RELAY_TEST_CHILD"

// child holds the instructions for the process to be killed.
type child struct {
	Dir         string
	URL         string
	Routes      map[string]string // URLs or paths of programs, instead of URL
	Filtered    string            // a route whose target skips the events that isSkipped names
	GivesUp     string            // a route with Skip
	Insists     bool              // publishes an event again until there is room
	Round       int
	Workers     int // each publishes Events
	Events      int
	Concurrency int
	Sync        bool
	MaxBytes    int64
	MinFree     int64
}

// crashChild stores and forwards events until it is killed, or its standard input
// ends. It prints the id of each event that the store acknowledged or refused.
func crashChild() int {
	var c child
	if err := json.Unmarshal([]byte(os.Getenv(childEnv)), &c); err != nil {
		return childError(err)
	}
	routes := named(slices.Sorted(maps.Keys(c.Routes))...)
	for i := range routes {
		if routes[i].Name == c.GivesUp {
			routes[i].WhenFull = relay.Skip
		}
	}
	s, err := relay.Open(context.Background(), relay.StoreOptions{
		Dir: c.Dir, Sync: c.Sync, AckWait: 300 * time.Millisecond, MaxBytes: c.MaxBytes, MinFree: c.MinFree, Routes: routes,
		Logf: func(format string, args ...any) { fmt.Fprintf(os.Stderr, "child: "+format+"\n", args...) },
	})
	if err != nil {
		return childError(err)
	}
	if c.URL != "" {
		c.Routes = map[string]string{relay.DefaultRoute: c.URL}
	}
	var forwarders []*relay.Forwarder
	for name, url := range c.Routes {
		o := relay.ForwardOptions{
			Route: name, Target: toAny(url), Concurrency: c.Concurrency, MinPause: time.Millisecond, MaxPause: 20 * time.Millisecond,
		}
		if name == c.Filtered {
			o.Target = without(o.Target, isSkipped)
		}
		f, err := s.Forward(o)
		if err != nil {
			return childError(err)
		}
		forwarders = append(forwarders, f)
	}
	fmt.Fprintln(os.Stdout, "ready")
	var out sync.Mutex
	var workers sync.WaitGroup
	var refused sync.Once
	for w := range c.Workers {
		workers.Go(func() {
			for n := range c.Events {
				id := fmt.Sprintf("r%d-w%d-n%d", c.Round, w, n)
				outcome, err := s.Publish(context.Background(), event(id))
				for c.Insists && outcome == relay.Full {
					pause(time.Millisecond)
					outcome, err = s.Publish(context.Background(), event(id))
				}
				out.Lock()
				fmt.Fprintln(os.Stdout, outcome, id)
				if err != nil {
					refused.Do(func() { fmt.Fprintln(os.Stderr, "child:", err) })
				}
				out.Unlock()
			}
		})
	}
	workers.Wait()
	fmt.Fprintln(os.Stdout, "published")
	_, _ = io.Copy(io.Discard, os.Stdin)
	for _, f := range forwarders {
		if err := f.Stop(context.Background()); err != nil {
			return childError(err)
		}
	}
	if err := s.Close(); err != nil {
		return childError(err)
	}
	return 0
}

// toAny returns a target for a URL or for the path of a program.
func toAny(text string) target.Target {
	if strings.Contains(text, "://") {
		return to(text)
	}
	t, err := exectarget.New(exectarget.Options{Program: text})
	if err != nil {
		panic(err)
	}
	return t
}

// without returns a target that skips some events.
func without(t target.Target, skip func(id string) bool) target.Target {
	return choosy{t, func(id string) target.Result { return target.Result{Skipped: skip(id)} }}
}

// isSkipped reports whether the target of a filtered route skips an event.
func isSkipped(id string) bool { return strings.HasSuffix(id, "3") }

func childError(err error) int {
	fmt.Fprintln(os.Stderr, "child:", err)
	return 1
}

// process is a running child.
type process struct {
	cmd       *exec.Cmd
	stdin     io.Closer
	ready     chan struct{}
	published chan struct{}
	read      chan struct{} // closed when its output has ended

	mu       sync.Mutex
	promised []string
	refused  map[relay.Outcome]int
}

func startChild(t *testing.T, c child) *process {
	t.Helper()
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{
		cmd: exec.Command(os.Args[0]), refused: map[relay.Outcome]int{},
		ready: make(chan struct{}), published: make(chan struct{}), read: make(chan struct{}),
	}
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(raw))
	p.cmd.Stderr = t.Output()
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.listen(stdout)
	return p
}

func (p *process) listen(out io.Reader) {
	defer close(p.read)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		outcome, id, _ := strings.Cut(lines.Text(), " ")
		switch relay.Outcome(outcome) {
		case "ready":
			close(p.ready)
		case "published":
			close(p.published)
		case relay.Stored, relay.Duplicate:
			p.mu.Lock()
			p.promised = append(p.promised, id)
			p.mu.Unlock()
		default:
			p.mu.Lock()
			p.refused[relay.Outcome(outcome)]++
			p.mu.Unlock()
		}
	}
}

// count returns how many events were acknowledged so far.
func (p *process) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.promised)
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.read
	_ = p.cmd.Wait() // it returns the signal
}

func (p *process) end(t *testing.T) {
	t.Helper()
	_ = p.stdin.Close() // if the child has exited, Wait reports it
	<-p.read
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the child: %v", err)
	}
}

func (p *process) wait(t *testing.T, c chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-p.read:
		t.Fatalf("the child ended before it was %s", what)
	case <-time.After(patience):
		t.Fatalf("the child was not %s in time", what)
	}
}

// delivery is one event that the application accepted.
type delivery struct {
	id string
	at time.Time
}

// moody is an application that fails from time to time.
type moody struct {
	mu    sync.Mutex
	down  bool
	taken []delivery
	first map[string]time.Time
}

func (m *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the process was killed while sending
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down || rand.N(50) == 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	d := delivery{idOf(body), time.Now()}
	m.taken = append(m.taken, d)
	if _, ok := m.first[d.id]; !ok {
		m.first[d.id] = d.at
	}
}

func (m *moody) set(down bool) {
	m.mu.Lock()
	m.down = down
	m.mu.Unlock()
}

func (m *moody) missing(want []string) (missing []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range want {
		if _, ok := m.first[id]; !ok {
			missing = append(missing, id)
		}
	}
	return missing
}

// deliver waits until all wanted events arrived, as long as events keep arriving. It looks
// at a few of them only, since the application can take none while it counts thousands.
func (m *moody) deliver(t *testing.T, want []string) {
	t.Helper()
	for left := m.missing(want); len(left) > 0; left = m.missing(left) {
		next := left[:min(len(left), 500)]
		eventually(t, fmt.Sprintf("more of the %d events left are delivered", len(left)), func() bool {
			return len(m.missing(next)) < (len(next)+1)/2
		})
	}
}

// arrive waits until no events are missing, as long as their number decreases.
func arrive(t *testing.T, missing func() int) {
	t.Helper()
	for left := missing(); left > 0; left = missing() {
		eventually(t, fmt.Sprintf("more of the %d events left are delivered", left), func() bool { return missing() < left })
	}
}

// span is the time during which a process was killed.
type span struct{ begin, end time.Time }

func TestKill(t *testing.T) {
	for _, test := range []struct {
		name               string
		concurrency, kills int
	}{
		{"in order", 1, *kills},
		{"without order", 8, *kills/4 + 1},
	} {
		t.Run(test.name, func(t *testing.T) { testKill(t, test.concurrency, test.kills) })
	}
}

func testKill(t *testing.T, concurrency, kills int) {
	dir := t.TempDir()
	app := &moody{first: map[string]time.Time{}}
	server := newServer(t, app)
	c := child{Dir: dir, URL: server, Workers: 8, Events: 75, Concurrency: concurrency}
	var promised []string
	var killed []span
	for c.Round = range kills {
		c.Sync = c.Round%3 == 2
		p := startChild(t, c)
		p.wait(t, p.ready, "ready")
		app.set(rand.N(3) == 0)
		pause(rand.N(200 * time.Millisecond))
		app.set(rand.N(3) == 0)
		pause(rand.N(400 * time.Millisecond))
		begin := time.Now()
		p.kill(t)
		killed = append(killed, span{begin, time.Now()})
		promised = append(promised, p.promised...)
	}
	app.set(false)
	c.Workers, c.Sync = 0, false
	p := startChild(t, c)
	app.deliver(t, promised)
	p.end(t)

	stored := storedIDs(t, dir)
	checkRepeats(t, app.taken, killed)
	if concurrency == 1 {
		checkOrder(t, stored, app.taken)
	}
	t.Logf("%d events acknowledged, %d stored, %d deliveries, %d kills", len(promised), len(stored), len(app.taken), kills)
}

// pause lets the child run for a random time.
func pause(d time.Duration) { <-time.After(d) }

func storedIDs(t *testing.T, dir string) []string {
	t.Helper()
	s := openStore(t, relay.StoreOptions{Dir: dir})
	defer closeStore(t, s)
	return append(listed(t, s, relay.Delivered), listed(t, s, relay.Waiting)...)
}

// checkOrder compares the order of first deliveries with that of the store.
func checkOrder(t *testing.T, stored []string, taken []delivery) {
	t.Helper()
	var first []string
	seen := map[string]bool{}
	for _, d := range taken {
		if !seen[d.id] {
			seen[d.id] = true
			first = append(first, d.id)
		}
	}
	if diff := cmp.Diff(stored[:min(len(first), len(stored))], first); diff != "" {
		t.Errorf("not in stored order: %s", diff)
	}
}

// checkRepeats allows a duplicate only after a kill, and only if the event was
// delivered within about a second before that kill.
func checkRepeats(t *testing.T, taken []delivery, killed []span) {
	t.Helper()
	const (
		before = 1500 * time.Millisecond
		// The application may accept a request whose sender was killed.
		after = 200 * time.Millisecond
	)
	last := map[string]time.Time{}
	repeats, longest := 0, time.Duration(0)
	for _, d := range taken {
		at, seen := last[d.id]
		last[d.id] = d.at
		if !seen {
			continue
		}
		repeats++
		between := slices.IndexFunc(killed, func(k span) bool { return k.end.Add(after).After(at) && k.begin.Before(d.at) })
		if between < 0 {
			t.Errorf("%s was delivered twice without a kill, %s apart", d.id, d.at.Sub(at))
			continue
		}
		ago := killed[between].begin.Sub(at)
		longest = max(longest, ago)
		if ago > before {
			t.Errorf("%s was delivered again, although it was delivered %s before the kill", d.id, ago)
		}
	}
	t.Logf("%d repeats, at most %s before a kill", repeats, longest)
}
