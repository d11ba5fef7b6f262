//go:build unix

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var listenReloads = flag.Int("listen.reloads", 100, "how often TestReloadedListenerLosesNothing changes the file")

// TestReloadedListenerLosesNothing changes the file of listen -f again and again while events
// arrive and the applications fail now and then: one route stays, one changes, and one is
// removed and returns. Every event that was answered with 2xx must reach all three, since
// the route that returns continues at its position.
func TestReloadedListenerLosesNothing(t *testing.T) {
	t.Parallel()
	apps := map[string]*flakyApplication{}
	for _, route := range []string{"stays", "changes", "returns"} {
		apps[route] = newFlakyApplication(t)
	}
	l := &reloaded{t: t, file: filepath.Join(t.TempDir(), "listen.yaml"), err: newWatched(), apps: apps}
	address := freeAddress(t)
	l.write(0)
	l.start(address)
	load := startLoad(t, "http://"+address+"/")
	load.wait(t, 20)
	for n := range *listenReloads {
		l.write(n + 1)
		if err := l.command.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		l.awaitApplied(n + 1)
	}
	load.wait(t, 20)
	if *listenReloads%2 != 0 {
		t.Fatal("the number of reloads must be even, so that all routes exist at the end")
	}
	promised := load.stop()
	for route, app := range apps {
		app.failing.Store(false)
		deadline := time.Now().Add(2 * patience)
		for missing := app.missing(promised); len(missing) > 0; missing = app.missing(promised) {
			if time.Now().After(deadline) {
				t.Fatalf("%d of %d events were answered 2xx and never delivered on the route that %s\n%s", len(missing), len(promised), route, l.log())
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	if err := errors.Join(l.command.Process.Signal(os.Interrupt), l.command.Wait()); err != nil {
		t.Errorf("listen ended with %v", err)
	}
	t.Logf("%d reloads, %d events promised and delivered", *listenReloads, len(promised))
}

// reloaded is a listen -f whose file changes.
type reloaded struct {
	t       *testing.T
	file    string
	err     *watched
	apps    map[string]*flakyApplication
	command *exec.Cmd
}

// write replaces the file by its n-th version.
func (l *reloaded) write(n int) {
	l.t.Helper()
	var text strings.Builder
	text.WriteString("apiVersion: mender-webhooks/v1\nroutes:\n")
	route := func(name string, concurrency int) {
		fmt.Fprintf(&text, "- { name: %s, forward_to: %q, concurrency: %d }\n", name, l.apps[name].server.URL, concurrency)
	}
	route("stays", 4)
	route("changes", 1+n)
	if n%2 == 0 {
		route("returns", 2)
	}
	if err := errors.Join(os.WriteFile(l.file+".new", []byte(text.String()), 0o600), os.Rename(l.file+".new", l.file)); err != nil {
		l.t.Fatal(err)
	}
}

func (l *reloaded) start(address string) {
	l.t.Helper()
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	program, home := filepath.Join(l.t.TempDir(), "mender-webhooks"), l.t.TempDir()
	if err := os.Symlink(self, program); err != nil {
		l.t.Fatal(err)
	}
	// With --debug, the number of lines per minute is not limited.
	l.command = exec.Command(program, "listen", "-f", l.file, "--addr", address, "--secret", "deadbeef",
		"--store", filepath.Join(home, "store"), "-o", "none", "--debug")
	l.command.Env = []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home}
	l.command.Stderr = l.err
	if err := l.command.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = l.command.Process.Kill() })
	l.await("listening on ", 1)
}

func (l *reloaded) awaitApplied(n int) { l.t.Helper(); l.await("listen.yaml is applied: ", n) }

// await waits until the log has a text n times.
func (l *reloaded) await(text string, n int) {
	l.t.Helper()
	for deadline := time.After(patience); strings.Count(l.err.String(), text) < n; {
		select {
		case <-l.err.changed:
		case <-deadline:
			l.t.Fatalf("the log does not have %q %d times:\n%s", text, n, l.log())
		}
	}
}

// log returns the end of the log.
func (l *reloaded) log() string {
	text := l.err.String()
	return text[max(0, len(text)-4000):]
}
