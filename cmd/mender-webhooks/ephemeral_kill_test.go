//go:build unix

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
)

// killPoint is where a run of create --ephemeral is killed: at its n-th request, before
// or after the server has carried it out, or by its command if n is 0.
type killPoint struct {
	n      int
	before bool
	// command is what the run executes.
	command []string
	// signal is sent at the request instead of a kill, and the request is still answered.
	signal syscall.Signal
	// lost is the request whose answer does not arrive, 0 for none.
	lost int
	// refused is the request that the server refuses, 0 for none.
	refused int
	// own is set if the organization already has a webhook of its own.
	own bool
	// leaves is set if the webhook exists after the kill.
	leaves bool
}

// killServer is a sandbox with its own clock that kills a run at a point.
type killServer struct {
	box   *sandbox.Sandbox
	ahead atomic.Int64 // of this machine's clock

	mu       sync.Mutex
	point    killPoint // of the run in progress
	process  *os.Process
	kill     func() // nil if no run is in progress
	requests int
}

func (s *killServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	point, kill := s.point, s.kill
	if kill != nil && s.requests == point.n && point.signal != 0 {
		_ = s.process.Signal(point.signal)
		point.n = 0
	}
	at, lost := kill != nil && s.requests == point.n, kill != nil && s.requests == point.lost
	refused := kill != nil && s.requests == point.refused
	s.mu.Unlock()
	if refused {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if at && point.before {
		kill()
		panic(http.ErrAbortHandler)
	}
	answer := httptest.NewRecorder()
	s.box.ServeHTTP(answer, r)
	if at {
		kill()
	}
	if at || lost {
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// ephemeralBench is a machine and a server for one run.
type ephemeralBench struct {
	*killServer
	url, home string
}

func newEphemeralBench(t *testing.T) *ephemeralBench {
	t.Helper()
	s := &killServer{}
	box, err := sandbox.New(sandbox.Options{Now: func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	s.box = box
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return &ephemeralBench{s, server.URL, t.TempDir()}
}

func (b *ephemeralBench) command(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), "mender-webhooks", args...)
	cmd.Dir = b.home
	cmd.Env = []string{"MENDER_SERVER_URL=" + b.url, "MENDER_SERVER_ACCESS_TOKEN=" + b.box.AdminToken(), "HOME=" + b.home, "PATH=" + os.Getenv("PATH"), "TZ=UTC"}
	return cmd
}

// must runs the program, which must succeed.
func (b *ephemeralBench) must(t *testing.T, args ...string) {
	t.Helper()
	if out, err := b.command(t, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// state returns the integrations as the server lists them.
func (b *ephemeralBench) state(t *testing.T) string {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/management/v1/iot-manager/integrations", nil)
	r.Header.Set("Authorization", "Bearer "+b.box.AdminToken())
	answer := httptest.NewRecorder()
	b.box.ServeHTTP(answer, r)
	if answer.Code != http.StatusOK {
		t.Fatalf("list the integrations: %d %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

// run executes create --ephemeral. It returns the exit code, -1 if the run was killed, and
// stderr.
func (b *ephemeralBench) run(t *testing.T, p killPoint) (code int, stderr string) {
	t.Helper()
	cmd := b.command(t, append([]string{"create", "--ephemeral", "--ttl", "1h", "--url", "https://example.com/ci", "--"}, p.command...)...)
	errs := filepath.Join(t.TempDir(), "errors") // a pipe would wait for commands that outlive the run
	file, err := os.Create(errs)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd.Stderr = file
	started, ended := make(chan struct{}), make(chan struct{})
	b.mu.Lock()
	b.point, b.requests = p, 0
	b.kill = func() {
		<-started
		_ = cmd.Process.Kill() // it, or its command, is waiting for an answer
		<-ended
	}
	err = cmd.Start()
	b.process = cmd.Process
	b.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	close(started)
	_ = cmd.Wait() // its state tells
	close(ended)
	b.mu.Lock()
	b.kill = nil
	b.mu.Unlock()
	text, err := os.ReadFile(errs)
	if err != nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// TestEphemeralKilled kills runs at every request, before and after its effect, and from
// within the command. Until the webhook expires by the server's clock, it is there and
// delete --expired keeps it. Afterwards, delete --expired makes the server what it
// was before.
func TestEphemeralKilled(t *testing.T) {
	t.Parallel()
	kill := func(script string) []string { return []string{"sh", "-c", script} }
	points := map[string]killPoint{
		"command, at once":           {command: kill("kill -KILL $PPID"), leaves: true},
		"command, after a look":      {command: kill("mender-webhooks list -q -o name && kill -KILL $PPID"), leaves: true},
		"command, after it failed":   {command: kill("mender-webhooks inspect no-such-id; kill -KILL $PPID"), leaves: true},
		"command, after its sibling": {command: kill("sh -c exit; kill -KILL $PPID"), leaves: true},
	}
	scenarios := map[string]struct {
		p        killPoint
		requests int // the second creates the webhook, and the last deletes it
	}{
		// List, create, read back, the command's list, search, delete.
		"run": {killPoint{command: []string{"mender-webhooks", "list", "-q", "-o", "name"}}, 6},
		// The same without the command's request; the answer to the second is lost.
		"lost answer": {killPoint{command: []string{"true"}, lost: 2}, 5},
		"conflict":    {killPoint{command: []string{"true"}, own: true}, 1},
	}
	for name, s := range scenarios {
		for n := range s.requests {
			for when, before := range map[string]bool{"before": true, "after": false} {
				s.p.n, s.p.before = n+1, before
				created, deleted := n > 1 || n == 1 && !before, n == s.requests-1 && !before
				s.p.leaves = created && !deleted && !s.p.own
				points[fmt.Sprintf("%s, %s request %d", name, when, n+1)] = s.p
			}
		}
	}
	if len(points) < 20 {
		t.Fatalf("%d points", len(points))
	}
	for name, p := range points {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newEphemeralBench(t)
			if p.own {
				b.must(t, "create", "--url", "https://example.com/own", "--no-secret", "-q")
			}
			before := b.state(t)
			if code, stderr := b.run(t, p); code != -1 {
				t.Fatalf("the run was not killed, but ended with %d\n%s", code, stderr)
			}
			left := b.state(t)
			if (left != before) != p.leaves {
				t.Errorf("after the kill, the server has\n%s", left)
			}
			if p.leaves {
				b.must(t, "delete", "--expired", "--yes", "-q")
				if now := b.state(t); now != left {
					t.Errorf("before its expiry, delete --expired changed\n%s to\n%s", left, now)
				}
			}
			b.ahead.Store(int64(2 * time.Hour)) // a busy machine knows the clock only roughly
			b.must(t, "delete", "--expired", "--yes", "-q")
			if now := b.state(t); now != before {
				t.Errorf("the server was\n%s and is\n%s", before, now)
			}
			if kept, err := os.ReadDir(b.home); err != nil || len(kept) > 0 {
				t.Errorf("the machine keeps %v (%v)", kept, err)
			}
		})
	}
}

// TestEphemeralLostAnswer loses the answer to each request in turn. The run ends as if
// nothing had happened, and leaves nothing.
func TestEphemeralLostAnswer(t *testing.T) {
	t.Parallel()
	for lost := range 5 {
		t.Run(fmt.Sprint("request ", lost+1), func(t *testing.T) {
			t.Parallel()
			b := newEphemeralBench(t)
			if code, stderr := b.run(t, killPoint{command: []string{"sh", "-c", "echo $MENDER_WEBHOOK_ID > ran"}, lost: lost + 1}); code != 0 {
				t.Fatalf("exit code %d\n%s", code, stderr)
			}
			if ran, err := os.ReadFile(filepath.Join(b.home, "ran")); err != nil || len(ran) != 37 {
				t.Errorf("the command saw the id %q (%v)", ran, err)
			}
			if now := b.state(t); now != "[]" {
				t.Errorf("the server has %s", now)
			}
		})
	}
}

// TestEphemeralInterrupted sends a signal at each request. However far the run has got, it
// leaves nothing: before the command starts it ends as interrupted, and then with the
// command's exit code.
func TestEphemeralInterrupted(t *testing.T) {
	t.Parallel()
	for n := range 5 {
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGQUIT} {
			t.Run(fmt.Sprintf("%s at request %d", signal, n+1), func(t *testing.T) {
				t.Parallel()
				b := newEphemeralBench(t)
				code, stderr := b.run(t, killPoint{command: []string{"true"}, n: n + 1, signal: signal})
				if code != 0 && code != 130 && code != 128+int(signal) {
					t.Errorf("exit code %d\n%s", code, stderr)
				}
				if now := b.state(t); now != "[]" {
					t.Errorf("the server has %s\n%s", now, stderr)
				}
			})
		}
	}
}

// TestEphemeralNotDeleted has the server refuse the deletion at the end. The command's exit
// code remains unless it is 0, and the error says how to delete the webhook.
func TestEphemeralNotDeleted(t *testing.T) {
	t.Parallel()
	for command, code := range map[string]int{"exit 0": 4, "exit 7": 7, "kill -TERM $$": 143} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			b := newEphemeralBench(t)
			got, stderr := b.run(t, killPoint{command: []string{"sh", "-c", command}, refused: 5})
			if got != code {
				t.Errorf("exit code %d, want %d", got, code)
			}
			said := regexp.MustCompile("error: .*the ephemeral webhook ([0-9a-f-]{36}) was not deleted: .*403.*\nhint: delete it with `mender-webhooks delete (\\S+)`, or after 20\\S+Z with `mender-webhooks delete --expired`\n$").FindStringSubmatch(stderr)
			if said == nil || said[1] != said[2] {
				t.Errorf("it said\n%s", stderr)
			}
		})
	}
}
