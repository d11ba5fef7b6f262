//go:build unix

package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// TestSocketOutlivesTheListener passes a socket to listen as systemd does. A
// delivery that arrives while no listener runs waits in the socket, and the next
// listener answers it.
func TestSocketOutlivesTheListener(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	url := "http://" + l.Addr().String() + "/"

	first := startOnSocket(t, socket)
	if status := deliver(t, url); status != http.StatusNoContent {
		t.Errorf("the first listener answered %d", status)
	}
	first.stop(t)

	answered := make(chan int, 1)
	go func() { answered <- deliver(t, url) }()
	second := startOnSocket(t, socket)
	if status := <-answered; status != http.StatusNoContent {
		t.Errorf("the second listener answered %d", status)
	}
	second.stop(t)
}

type onSocket struct {
	cmd    *exec.Cmd
	stderr *watched
}

func startOnSocket(t *testing.T, socket *os.File) *onSocket {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "mender-webhooks")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	// LISTEN_PID must be the program's process id: the shell's, since exec keeps
	// it.
	command := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`, program,
		"listen", "--secret", "deadbeef", "--addr", "127.0.0.1:1")
	home := t.TempDir()
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home}
	command.ExtraFiles = []*os.File{socket} // the first one becomes descriptor 3, as systemd's do
	s := &onSocket{cmd: command, stderr: newWatched()}
	command.Stderr = s.stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	if _, err := s.stderr.find(regexp.MustCompile(`listening on `), nil); err != nil {
		t.Fatalf("%v: %s", err, s.stderr)
	}
	return s
}

func (s *onSocket) stop(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v: %s", err, s.stderr)
	}
	if !strings.Contains(s.stderr.String(), "received: 1 valid") {
		t.Errorf("it says: %s", s.stderr)
	}
}

func deliver(t *testing.T, url string) (status int) {
	secret, err := webhook.ParseSecret("deadbeef")
	if err != nil {
		t.Error(err)
	}
	sender := webhook.NewSender(webhook.SenderOptions{Timeout: patience})
	defer sender.Close()
	body := `{"id":"` + uuid.NewString() + `","type":"device-decommissioned","data":{"id":"d"}}`
	d := sender.Send(context.Background(), url, []byte(body), secret)
	if d.Err != nil {
		t.Error(d.Err)
	}
	return d.StatusCode
}
