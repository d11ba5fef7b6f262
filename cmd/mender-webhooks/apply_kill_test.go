//go:build unix

package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
)

// countingSandbox is a sandbox that counts requests. After it has carried out one
// of them, and before it answers, it calls the function set by killAt.
type countingSandbox struct {
	box *sandbox.Sandbox
	url string

	mu       sync.Mutex
	requests int
	wrote    int
	kill     map[int]func()
}

func newCountingSandbox(t *testing.T) *countingSandbox {
	t.Helper()
	box, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &countingSandbox{box: box, kill: map[int]func(){}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *countingSandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := httptest.NewRecorder()
	s.box.ServeHTTP(answer, r)
	s.mu.Lock()
	s.requests++
	if r.Method != http.MethodGet {
		s.wrote++
	}
	kill := s.kill[s.requests]
	s.mu.Unlock()
	if kill != nil {
		kill()
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

func (s *countingSandbox) writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrote
}

// killAt calls kill during the n-th request from now on.
func (s *countingSandbox) killAt(n int, kill func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill = map[int]func(){s.requests + n: kill}
}

func (s *countingSandbox) env() []string {
	return []string{"MENDER_SERVER_URL=" + s.url, "MENDER_SERVER_ACCESS_TOKEN=" + s.box.AdminToken()}
}

func (s *countingSandbox) ids(t *testing.T) []string {
	t.Helper()
	client, err := mender.New(mender.Options{Server: s.url, Token: s.box.AdminToken()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	all, err := client.Integrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, i := range all {
		ids = append(ids, i.ID)
	}
	return ids
}

// TestApplyKilled kills the program after each single request, before it sees the
// answer, and runs it again: the server must match the file, and sign with the
// secret that this machine has stored.
func TestApplyKilled(t *testing.T) {
	t.Parallel()
	const hook = "apiVersion: mender-webhooks/v1\nintegrations:\n  - {provider: webhook, url: '%s', secret: {generate: true}, description: %s}\n"
	for name, files := range map[string][2]string{
		"create":   {"", "a"},
		"change":   {"moved", "a"},
		"recreate": {"a", "b"},
		"remove":   {"a", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n, killed := 1, true; killed; n++ {
				w := newWorkbench(t)
				write := func(description string) {
					text, url := "apiVersion: mender-webhooks/v1\nintegrations: []\n", w.receiver.URL
					if description == "moved" {
						url, description = "https://example.com/elsewhere", "a"
					}
					if description != "" {
						text = fmt.Sprintf(hook, url, description)
					}
					w.file(t, text)
				}
				write(files[0])
				w.must(t, 0, "apply", "--yes", "--prune", "-f", "webhooks.yaml")
				write(files[1])
				killed = w.killed(t, n, "apply", "--yes", "--prune", "--allow-recreate", "-f", "webhooks.yaml")
				w.must(t, 0, "apply", "--yes", "--prune", "--allow-recreate", "-f", "webhooks.yaml")
				w.must(t, 0, "apply", "--prune", "--dry-run", "--exit-code", "-f", "webhooks.yaml")
				ids := w.ids(t)
				if files[1] == "" {
					if len(ids) != 0 {
						t.Errorf("request %d: the server has %v", n, ids)
					}
					continue
				}
				if len(ids) != 1 {
					t.Fatalf("request %d: the server has %v", n, ids)
				}
				w.checkStoredSecretSigns(t, n)
			}
		})
	}
}

// workbench is a machine with a persistent home folder, a server and a receiver.
type workbench struct {
	*countingSandbox
	home     string
	receiver *httptest.Server
	requests chan *http.Request
	bodies   chan []byte
}

func newWorkbench(t *testing.T) *workbench {
	t.Helper()
	w := &workbench{countingSandbox: newCountingSandbox(t), home: t.TempDir(), requests: make(chan *http.Request, 8), bodies: make(chan []byte, 8)}
	w.receiver = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		w.requests <- r
		w.bodies <- body
	}))
	t.Cleanup(w.receiver.Close)
	return w
}

func (w *workbench) file(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.home, "webhooks.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *workbench) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "mender-webhooks", args...)
	cmd.Dir = w.home
	cmd.Env = append(w.env(), "HOME="+w.home, "PATH="+os.Getenv("PATH"))
	return cmd
}

// must runs the program, checks its exit code, and returns its stdout.
func (w *workbench) must(t *testing.T, code int, args ...string) string {
	t.Helper()
	cmd := w.command(t.Context(), args...)
	out, _ := cmd.Output() // the exit code is checked below
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("%v: exit code %d, want %d\n%s", args, got, code, out)
	}
	return string(out)
}

// killed runs the program and kills it after its n-th request. It reports whether
// there was an n-th request.
func (w *workbench) killed(t *testing.T, n int, args ...string) bool {
	t.Helper()
	cmd := w.command(t.Context(), args...)
	started, ended := make(chan struct{}), make(chan struct{})
	w.killAt(n, func() {
		<-started
		_ = cmd.Process.Kill() // it is waiting for our answer
		<-ended
	})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	close(started)
	err := cmd.Wait()
	close(ended)
	w.killAt(0, nil)
	return err != nil
}

// checkStoredSecretSigns makes the server send an event, and checks its signature
// with the secret that this machine has stored.
func (w *workbench) checkStoredSecretSigns(t *testing.T, n int) {
	t.Helper()
	if err := w.box.SetStatus([]string{"769e5a83-259c-4506-ab05-9c2564f196fd"}, "accepted"); err != nil {
		t.Fatal(err)
	}
	r, body := <-w.requests, <-w.bodies
	if err := os.WriteFile(filepath.Join(w.home, "body"), body, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := w.command(t.Context(), "verify", "--signature", r.Header.Get("X-Men-Signature"), "body")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("request %d: the server signs with another secret: %v\n%s", n, err, out)
	}
}
