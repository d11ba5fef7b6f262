//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/creack/pty"

	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// screen is what a command showed on a terminal.
type screen struct {
	name, command string
	text          string
}

// columns is the width of the terminal.
const columns = 136

// The devices of the scene.
const (
	pump  = "769e5a83-259c-4506-ab05-9c2564f196fd"
	valve = "0c13a0e6-6b63-475d-8260-ee42a590e8ff"
)

// stage is where the scene is played.
type stage struct {
	program, work string
	env           []string
	box           *sandbox.Sandbox
}

// play leads two devices through a part of their lives, forges two
// deliveries, and lets the receiver be away for the last event.
func play(ctx context.Context, program, work string) ([]screen, error) {
	box, err := sandbox.New(sandbox.Options{})
	if err != nil {
		return nil, err
	}
	server := httptest.NewServer(box)
	defer server.Close()
	s := &stage{program: program, work: work, box: box, env: []string{
		"HOME=" + work, "TERM=xterm-256color", "TZ=UTC", "PATH=" + os.Getenv("PATH"),
		"MENDER_SERVER_URL=" + server.URL, "MENDER_SERVER_ACCESS_TOKEN=" + box.AdminToken(),
	}}
	if err := os.WriteFile(filepath.Join(work, "hook.secret"), []byte(webhook.GenerateSecret().Hex()+"\n"), 0o600); err != nil {
		return nil, err
	}
	listen, err := s.listen(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.away(ctx); err != nil {
		return nil, err
	}
	activity, err := s.terminal(ctx, "activity", "--utc")
	if err != nil {
		return nil, err
	}
	text, err := activity.wait(nil)
	return []screen{
		{"listen", "mender-webhooks listen --secret-file hook.secret", listen},
		{"activity", "mender-webhooks activity", text},
	}, errors.Join(err, box.Close())
}

// listen shows the devices' events, and what is forged, as they come in.
func (s *stage) listen(ctx context.Context) (string, error) {
	shown, err := s.terminal(ctx, "listen", "--addr", "127.0.0.1:0", "--secret-file", "hook.secret", "--utc")
	if err != nil {
		return "", err
	}
	m, err := shown.find(ctx, regexp.MustCompile(`listening on (http://[0-9.:]+)`))
	if err != nil {
		return "", err
	}
	hook := m[1] + "/mender"
	if err := s.run(ctx, 0, "create", "--url", hook, "--secret-file", "hook.secret"); err != nil {
		return "", err
	}
	at := time.Date(2026, time.November, 23, 9, 59, 0, 0, time.UTC)
	for _, happen := range []func() error{
		func() error {
			return s.box.Provision(webhook.Device{ID: pump, Status: webhook.StatusAccepted, CreatedTS: &at})
		},
		func() error { return s.box.SetStatus([]string{pump}, webhook.StatusAccepted) },
		func() error {
			return s.box.Provision(webhook.Device{ID: valve, Status: webhook.StatusAccepted, CreatedTS: &at})
		},
		func() error { return s.box.SetStatus([]string{valve}, webhook.StatusAccepted) },
		func() error { return s.box.SetStatus([]string{valve}, webhook.StatusRejected) },
		func() error {
			return s.run(ctx, 1, "trigger", "device-decommissioned", "--device", pump, "--to", hook, "--secret-file", "hook.secret", "--tamper")
		},
		func() error {
			return s.run(ctx, 1, "trigger", "device-decommissioned", "--device", pump, "--to", hook, "--unsigned")
		},
		func() error { s.box.Decommission(valve); return nil },
	} {
		before := shown.lines()
		if err := errors.Join(happen(), s.box.Settle(ctx)); err != nil {
			return "", err
		}
		if err := shown.more(ctx, before); err != nil {
			return "", err
		}
	}
	return shown.wait(syscall.SIGINT)
}

// away lets an event find no receiver. It goes to a port where there never was
// one: on a connection that is left of the receiver that ended, the failure
// would be one or the other.
func (s *stage) away(ctx context.Context) error {
	err := s.run(ctx, 0, "update", "--url", "http://127.0.0.1:1/mender", "--secret-file", "hook.secret")
	return errors.Join(err, s.box.SetStatus([]string{pump}, webhook.StatusRejected), s.box.Settle(ctx))
}

func (s *stage) run(ctx context.Context, code int, args ...string) error {
	command := exec.CommandContext(ctx, s.program, args...)
	command.Dir, command.Env = s.work, s.env
	out, err := command.CombinedOutput()
	if command.ProcessState == nil || command.ProcessState.ExitCode() != code {
		return fmt.Errorf("mender-webhooks %s: %w: %s", args[0], err, out)
	}
	return nil
}

// terminal is a command that runs on a pseudo-terminal.
type terminal struct {
	command *exec.Cmd
	chunks  chan []byte
	shown   []byte
}

func (s *stage) terminal(ctx context.Context, args ...string) (*terminal, error) {
	command := exec.CommandContext(ctx, s.program, args...)
	command.Dir, command.Env = s.work, s.env
	tty, err := pty.StartWithSize(command, &pty.Winsize{Rows: 40, Cols: columns})
	if err != nil {
		return nil, err
	}
	t := &terminal{command: command, chunks: make(chan []byte)}
	go func() {
		defer close(t.chunks)
		defer tty.Close()
		for buffer := make([]byte, 4096); ; {
			n, err := tty.Read(buffer)
			if n > 0 {
				t.chunks <- bytes.Clone(buffer[:n])
			}
			if err != nil {
				return // on Linux an error, and not io.EOF, ends a terminal
			}
		}
	}()
	return t, nil
}

func (t *terminal) lines() int { return bytes.Count(t.shown, []byte("\n")) }

// more waits for a line after the first n.
func (t *terminal) more(ctx context.Context, n int) error {
	for t.lines() <= n {
		if err := t.read(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (t *terminal) find(ctx context.Context, re *regexp.Regexp) ([]string, error) {
	for {
		if m := re.FindSubmatch(t.shown); m != nil && t.lines() > 0 {
			return []string{string(m[0]), string(m[1])}, nil
		}
		if err := t.read(ctx); err != nil {
			return nil, err
		}
	}
}

func (t *terminal) read(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("%w; the terminal shows: %s", ctx.Err(), t.shown)
	case chunk, more := <-t.chunks:
		t.shown = append(t.shown, chunk...)
		if !more {
			return io.ErrUnexpectedEOF
		}
		return nil
	}
}

// wait sends the signal, if one is given, and returns the whole screen once the
// command has ended.
func (t *terminal) wait(signal os.Signal) (string, error) {
	if signal != nil {
		if err := t.command.Process.Signal(signal); err != nil {
			return "", err
		}
	}
	for chunk := range t.chunks {
		t.shown = append(t.shown, chunk...)
	}
	return string(t.shown), t.command.Wait()
}
