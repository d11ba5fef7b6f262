package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mender-webhooks/mender-webhooks/cmd"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
)

// TestListenOutlivesItsOutput sends more events than fit into a pipe that no
// one reads, or to a full disk: each is answered, and SIGTERM ends the listener.
func TestListenOutlivesItsOutput(t *testing.T) {
	t.Parallel()
	for name, streams := range map[string]func(*testing.T, *exec.Cmd, *os.File){
		"stdout is stuck":             func(_ *testing.T, c *exec.Cmd, stuck *os.File) { c.Stdout = stuck },
		"stdout and stderr are stuck": func(_ *testing.T, c *exec.Cmd, stuck *os.File) { c.Stdout, c.Stderr = stuck, stuck },
		"the reader of stdout went away": func(t *testing.T, c *exec.Cmd, _ *os.File) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			_ = r.Close()
			t.Cleanup(func() { _ = w.Close() })
			c.Stdout = w
		},
		"the disk is full": func(t *testing.T, c *exec.Cmd, _ *os.File) {
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Skip(err)
			}
			t.Cleanup(func() { _ = full.Close() })
			c.Stdout = full
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, stuck, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _, _ = r.Close(), stuck.Close() }()
			stderr := newWatched()
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			home := t.TempDir()
			c := exec.Command(self, "listen", "--addr", "127.0.0.1:0", "--secret", "deadbeef", "--grace", "1s", "--store", filepath.Join(home, "store"))
			c.Args[0] = "mender-webhooks" // what testscript's Main goes by
			c.Env = []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home}
			c.Stderr = stderr
			streams(t, c, stuck)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- c.Wait() }()
			t.Cleanup(func() { _ = c.Process.Kill() }) // if the test failed
			if c.Stderr != io.Writer(stderr) {
				readUntil(t, r, stderr, "; press")
			}
			m, err := stderr.find(regexp.MustCompile(`listening on (http[^\s;]+);`), nil)
			if err != nil {
				t.Fatalf("%v: %s", err, stderr)
			}
			for range 400 {
				if status := deliver(t, m[1]); status != http.StatusNoContent {
					t.Fatalf("answered %d", status)
				}
			}
			if err := c.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("it ended with %v: %s", err, stderr)
				}
			case <-time.After(patience):
				t.Fatal("it does not end")
			}
		})
	}
}

// readUntil reads up to a text, and not a byte further.
func readUntil(t *testing.T, from io.Reader, to *watched, text string) {
	t.Helper()
	for b := make([]byte, 1); !strings.Contains(to.String(), text); {
		if _, err := from.Read(b); err != nil {
			t.Fatal(err)
		}
		_, _ = to.Write(b) // never fails
	}
}

// TestACommandWithAStuckStdoutCanBeInterrupted fills a pipe that no one reads.
func TestACommandWithAStuckStdoutCanBeInterrupted(t *testing.T) {
	t.Parallel()
	box, err := sandbox.New(sandbox.Options{History: 1000})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(box)
	t.Cleanup(func() { server.Close(); _ = box.Close() })
	for args, want := range map[string]int{"activity --follow --all -o jsonl": 0, "activity --all -o jsonl": 130} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			r, stuck, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _, _ = r.Close(), stuck.Close() }()
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			home := t.TempDir()
			c := exec.Command(self, strings.Fields(args)...)
			c.Args[0] = "mender-webhooks"
			c.Env = []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home, "MENDER_SERVER_URL=" + server.URL, "MENDER_SERVER_ACCESS_TOKEN=" + box.AdminToken()}
			c.Stdout = stuck
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() { _ = c.Wait(); close(ended) }()
			t.Cleanup(func() { _ = c.Process.Kill() }) // if the test failed
			for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
				if n, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ); err != nil || n > 60_000 { // of 65,536
					break
				} else if time.Now().After(deadline) {
					t.Fatalf("%d bytes were written", n)
				}
			}
			if err := c.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
				if code := c.ProcessState.ExitCode(); code != want {
					t.Errorf("exit code %d, want %d", code, want)
				}
			case <-time.After(patience):
				t.Fatal("it does not end")
			}
		})
	}
}

// TestAFIFOWithoutAWriterCanBeInterrupted is about opening a FIFO, which blocks
// until someone writes to it.
func TestAFIFOWithoutAWriterCanBeInterrupted(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	fifo := filepath.Join(home, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	// Unblock the program at the end.
	defer func() { _ = os.WriteFile(fifo, []byte("deadbeef\n"), 0o600) }()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, test := range []struct {
		want int
		args []string
	}{
		{0, []string{"listen", "--secret-file", fifo, "--addr", "127.0.0.1:0"}},
		{130, []string{"verify", "--secret-file", fifo, "--signature", strings.Repeat("0", 64), "/dev/null"}},
		{130, []string{"trigger", "--secret-file", fifo, "device-decommissioned", "--to", "http://127.0.0.1:1"}},
		{130, []string{"list", "--token", fifo}},
		{130, []string{"list", "--config", fifo}},
		{130, []string{"list", "--ca-cert", fifo, "--token-value", "a"}},
		{130, []string{"trigger", "--ca-cert", fifo, "device-decommissioned", "--to", "https://127.0.0.1:1"}},
	} {
		code := make(chan int, 1)
		go func() {
			code <- cmd.Run(ctx, test.args,
				cmd.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard},
				func(name string) (string, bool) { return home, name == "HOME" || name == "XDG_CONFIG_HOME" },
				func(ctx context.Context, _ chan<- os.Signal) context.Context { return ctx })
		}()
		select {
		case got := <-code:
			if got != test.want {
				t.Errorf("%v: exit code %d, want %d", test.args, got, test.want)
			}
		case <-time.After(patience):
			t.Errorf("%v does not end", test.args)
		}
	}
}
