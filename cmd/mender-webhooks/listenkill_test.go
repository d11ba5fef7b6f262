//go:build unix

package main

import (
	"context"
	"flag"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

var listenKills = flag.Int("listen.kills", 10, "how often TestKilledListenerLosesNothing kills")

// TestKilledListenerLosesNothing kills the listen process at random moments while
// events arrive and the application fails now and then. Every event that was
// answered with 2xx must reach the application. (pkg/relay tests the order and the
// number of duplicates.)
func TestKilledListenerLosesNothing(t *testing.T) {
	t.Parallel()
	app := newFlakyApplication(t)
	address := freeAddress(t)
	store := filepath.Join(t.TempDir(), "store")
	load := startLoad(t, "http://"+address+"/")
	for range *listenKills {
		program := startKillable(t, address, store, app.server.URL)
		load.wait(t, 20+rand.IntN(200))
		if err := program.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = program.Wait() // it died of the signal
	}
	last := startKillable(t, address, store, app.server.URL)
	load.wait(t, 20)
	promised := load.stop()
	app.failing.Store(false)
	deadline := time.Now().Add(2 * patience)
	for missing := app.missing(promised); len(missing) > 0; missing = app.missing(promised) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d events were answered 2xx and never delivered", len(missing), len(promised))
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := last.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := last.Wait(); err != nil {
		t.Errorf("the last one ended with %v", err)
	}
	t.Logf("%d kills, %d events promised and delivered", *listenKills, len(promised))
}

// flakyApplication accepts events, and answers some of them with 500.
type flakyApplication struct {
	server  *httptest.Server
	failing atomic.Bool
	mu      sync.Mutex
	taken   map[string]int
}

func newFlakyApplication(t *testing.T) *flakyApplication {
	app := &flakyApplication{taken: map[string]int{}}
	app.failing.Store(true)
	app.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the listener was killed
		}
		event, err := webhook.ParseEvent(body)
		if err != nil {
			t.Errorf("the application got %q", body)
			return
		}
		if app.failing.Load() && rand.IntN(50) == 0 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		app.mu.Lock()
		app.taken[event.ID]++
		app.mu.Unlock()
	}))
	t.Cleanup(app.server.Close)
	return app
}

func (app *flakyApplication) missing(ids []string) (missing []string) {
	app.mu.Lock()
	defer app.mu.Unlock()
	for _, id := range ids {
		if app.taken[id] == 0 {
			missing = append(missing, id)
		}
	}
	return missing
}

// freeAddress returns an address that was free a moment ago. After each kill the
// listener must start on the same one, as a service does.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func startKillable(t *testing.T, address, store, app string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "mender-webhooks")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "listen", "--addr", address, "--secret", "deadbeef",
		"--store", store, "--forward-to", app, "--concurrency", "4", "-o", "none")
	home := t.TempDir()
	command.Env = []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home}
	stderr := newWatched()
	command.Stderr = stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	if _, err := stderr.find(regexp.MustCompile(`listening on `), nil); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	return command
}

// eventLoad sends events over several connections, across restarts of the
// listener, and records which were answered with 2xx.
type eventLoad struct {
	answered atomic.Int64
	cancel   context.CancelFunc
	done     sync.WaitGroup
	mu       sync.Mutex
	promised []string
}

func startLoad(t *testing.T, url string) *eventLoad {
	secret, err := webhook.ParseSecret("deadbeef")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &eventLoad{cancel: cancel}
	t.Cleanup(func() { cancel(); l.done.Wait() })
	sender := webhook.NewSender(webhook.SenderOptions{MaxIdleConns: 4, Timeout: patience})
	for range 4 {
		l.done.Go(func() {
			for ctx.Err() == nil {
				id := uuid.NewString()
				body := `{"id":"` + id + `","type":"device-status-changed","data":{"id":"d","status":"accepted"}}`
				d := sender.Send(ctx, url, []byte(body), secret)
				if !d.Success() {
					time.Sleep(5 * time.Millisecond) // no listener is running; Mender would not be faster either
					continue
				}
				l.mu.Lock()
				l.promised = append(l.promised, id)
				l.mu.Unlock()
				l.answered.Add(1)
			}
		})
	}
	return l
}

// wait waits until more events were accepted.
func (l *eventLoad) wait(t *testing.T, more int) {
	t.Helper()
	want := l.answered.Load() + int64(more)
	for deadline := time.Now().Add(patience); l.answered.Load() < want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no events are taken")
		}
	}
}

func (l *eventLoad) stop() []string {
	l.cancel()
	l.done.Wait()
	return l.promised
}
