//go:build !windows

package secret

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zalando/go-keyring"
)

// The test binary runs itself as another process, with these variables: the task
// and the store's path.
const (
	envChild = "SECRET_TEST_CHILD"
	envPath  = "SECRET_TEST_PATH"
)

// child returns a command that runs one test of the test binary as another
// process.
func child(t *testing.T, test, what, path string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+test+"$") //nolint:gosec // this binary
	cmd.Env = append(os.Environ(), envChild+"="+what, envPath+"="+path)
	return cmd
}

func run(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// TestTwoProcesses stores and removes secrets in several processes at once. None
// may be lost, and none may reappear.
func TestTwoProcesses(t *testing.T) {
	const processes, each = 3, 8
	if what := os.Getenv(envChild); what != "" {
		s := at(os.Getenv(envPath), newKeyring(), true)
		for i := range each {
			k := Key{Kind: Webhook, Server: "https://a.example", Name: fmt.Sprint(what, i)}
			if _, err := s.Set(t.Context(), Entry{Info: Info{Key: k}, Value: "v"}); err != nil {
				t.Fatal(err)
			}
			if i%2 == 1 {
				if err := s.Delete(t.Context(), k); err != nil {
					t.Fatal(err)
				}
			}
		}
		return
	}
	path := filepath.Join(t.TempDir(), "secrets.json")
	done := make(chan error, processes)
	for p := range processes {
		go func() { done <- run(child(t, "TestTwoProcesses", fmt.Sprint("p", p, "-"), path)) }()
	}
	for range processes {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	infos, err := at(path, newKeyring(), true).List(Webhook)
	if err != nil || len(infos) != processes*each/2 {
		t.Errorf("%d secrets are kept, %v; want %d", len(infos), err, processes*each/2)
	}
}

// TestDiskFull limits the size of the files that a child process can write.
func TestDiskFull(t *testing.T) {
	const long = 1000
	if os.Getenv(envChild) != "" {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: long, Max: long}); err != nil {
			t.Fatal(err)
		}
		for _, noKeyring := range []bool{true, false} {
			ring := newKeyring()
			s := at(os.Getenv(envPath), ring, noKeyring)
			k := Key{Kind: Webhook, Server: "https://a.example", Name: strings.Repeat("n", long)}
			_, err := s.Set(t.Context(), Entry{Info: Info{Key: k}, Value: "vvv"})
			if !errors.Is(err, syscall.EFBIG) || strings.Contains(err.Error(), "vvv") {
				t.Errorf("got %v", err)
			}
			if len(ring.items) > 0 {
				t.Errorf("the keyring has what the file does not know of: %v", ring.items)
			}
		}
		return
	}
	path := filepath.Join(t.TempDir(), "secrets.json")
	s := at(path, newKeyring(), true)
	if _, err := s.Set(t.Context(), Entry{Info: Info{Key: tokenKey}, Value: "the-token"}); err != nil {
		t.Fatal(err)
	}
	if err := run(child(t, "TestDiskFull", "write", path)); err != nil {
		t.Fatal(err)
	}
	if e, err := s.Get(t.Context(), tokenKey); err != nil || e.Value != "the-token" {
		t.Errorf("the old secret is %q, %v", e.Value, err)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 2 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

// TestKilled repeatedly kills a process while it writes. The store must be
// readable each time, and still have the earlier secrets.
func TestKilled(t *testing.T) {
	if os.Getenv(envChild) != "" {
		s := at(os.Getenv(envPath), newKeyring(), true)
		for i := 0; ; i++ {
			if _, err := s.Set(t.Context(), Entry{Info: Info{Key: hookKey}, Value: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				fmt.Fprintln(os.Stdout, "begun")
			}
		}
	}
	path := filepath.Join(t.TempDir(), "secrets.json")
	s := at(path, newKeyring(), true)
	if _, err := s.Set(t.Context(), Entry{Info: Info{Key: tokenKey}, Value: "the-token"}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		cmd := child(t, "TestKilled", "write", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(out, make([]byte, len("begun"))); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		for _, k := range []Key{tokenKey, hookKey} {
			if _, err := s.Get(t.Context(), k); err != nil {
				t.Error(err)
			}
		}
		// The lock ended with the process.
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
	}
	// So did its unfinished file. Make sure that there is one.
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), ".secrets.json123"), []byte("the-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 2 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

// TestSecretService runs in a separate session, with a new keyring.
func TestSecretService(t *testing.T) {
	if os.Getenv(envChild) != "" {
		// The daemon goes into the background before it is on the bus.
		deadline := time.Now().Add(20 * time.Second)
		for {
			_, err := system{}.Get(service, "nobody")
			if errors.Is(err, keyring.ErrNotFound) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the keyring does not come up: %v", err)
			}
		}
		s := New(Options{File: os.Getenv(envPath), keyringTimeout: 20 * time.Second})
		saved, err := s.Set(t.Context(), Entry{Info: Info{Key: tokenKey, Origin: Login}, Value: "the-token"})
		if err != nil || saved.Place != Keyring {
			t.Fatalf("kept in %s, %v", saved, err)
		}
		again := New(Options{File: os.Getenv(envPath), keyringTimeout: 20 * time.Second})
		if e, err := again.Get(t.Context(), tokenKey); err != nil || e.Value != "the-token" {
			t.Errorf("got %q, %v", e.Value, err)
		}
		if err := again.Delete(t.Context(), tokenKey); err != nil {
			t.Error(err)
		}
		if _, err := again.Get(t.Context(), tokenKey); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		return
	}
	for _, program := range []string{"dbus-run-session", "gnome-keyring-daemon"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("no real Secret Service here: %s is missing (Debian: gnome-keyring, dbus-daemon)", program)
		}
	}
	home := t.TempDir()
	self := child(t, "TestSecretService", "keep", filepath.Join(home, "secrets.json"))
	script := `printf password | gnome-keyring-daemon --unlock --components=secrets >/dev/null && exec "$0" "$@"`
	cmd := exec.CommandContext(t.Context(), "dbus-run-session", append([]string{"--", "sh", "-c", script}, self.Args...)...) //nolint:gosec // as above
	cmd.Env = self.Env
	cmd.Env = append(cmd.Env, "HOME="+home, "XDG_DATA_HOME="+home, "XDG_RUNTIME_DIR="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home)
	if err := run(cmd); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(filepath.Join(home, "secrets.json")); err != nil || strings.Contains(string(text), "the-token") {
		t.Errorf("the file holds %s, %v", text, err)
	}
}
