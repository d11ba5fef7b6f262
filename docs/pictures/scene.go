//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/creack/pty"

	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// screen is the terminal output of a command.
type screen struct {
	name, command string
	text          string
}

// columns is the width of the terminal in characters.
const columns = 136

// The ids of the scene's devices.
const (
	pump  = "769e5a83-259c-4506-ab05-9c2564f196fd"
	valve = "0c13a0e6-6b63-475d-8260-ee42a590e8ff"
)

// stage runs the program against a sandbox.
type stage struct {
	program, work string
	env           []string
	box           *sandbox.Sandbox
}

// play runs the commands for the pictures: it changes two devices, sends two forged
// deliveries, and makes the last delivery fail.
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
	if err := s.fail(ctx); err != nil {
		return nil, err
	}
	activity, err := s.terminal(ctx, nil, nil, "activity", "--utc")
	return []screen{
		{"listen", "mender-webhooks listen --secret-file hook.secret", listen},
		{"activity", "mender-webhooks activity", activity},
	}, errors.Join(err, box.Close())
}

// validEvents is the number of events that act sends with a valid signature.
const validEvents = 6

// listen returns the output of a listener that receives valid and forged deliveries.
func (s *stage) listen(ctx context.Context) (string, error) {
	// With an account, the server's answer would appear in the picture at any time.
	alone := *s
	alone.env = slices.DeleteFunc(slices.Clone(s.env), func(v string) bool { return strings.HasPrefix(v, "MENDER_") })
	return alone.terminal(ctx, regexp.MustCompile(`listening on (http://[0-9.:]+)`), func(url string) error {
		return s.act(ctx, url+"/mender")
	}, "listen", "--addr", "127.0.0.1:0", "--secret-file", "hook.secret", "--utc", "--exit-after", fmt.Sprint(validEvents))
}

// act creates a webhook with the URL, and delivers events to it one after another.
func (s *stage) act(ctx context.Context, url string) error {
	if err := s.run(ctx, 0, "create", "--url", url, "--secret-file", "hook.secret"); err != nil {
		return err
	}
	at := time.Date(2026, time.November, 23, 9, 59, 0, 0, time.UTC)
	for _, step := range []func() error{
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
			return s.run(ctx, 1, "trigger", "device-decommissioned", "--device", pump, "--to", url, "--secret-file", "hook.secret", "--tamper")
		},
		func() error {
			return s.run(ctx, 1, "trigger", "device-decommissioned", "--device", pump, "--to", url, "--unsigned")
		},
		func() error { s.box.Decommission(valve); return nil },
	} {
		if err := errors.Join(step(), s.box.Settle(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// fail causes a failed delivery in the log. It uses a port on which no receiver
// ran: on the port of a receiver that just ended, the error would depend on the
// state of the connections.
func (s *stage) fail(ctx context.Context) error {
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

// terminal runs a command on a pseudo-terminal until it ends, and returns its
// output. When a line matches ready, it calls act with the submatch.
func (s *stage) terminal(ctx context.Context, ready *regexp.Regexp, act func(string) error, args ...string) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	command := exec.CommandContext(ctx, s.program, args...)
	command.Dir, command.Env = s.work, s.env
	tty, err := pty.StartWithSize(command, &pty.Winsize{Rows: 40, Cols: columns})
	if err != nil {
		return "", err
	}
	defer tty.Close()
	var shown strings.Builder
	lines := bufio.NewReader(tty)
	for ready != nil {
		line, err := lines.ReadString('\n')
		shown.WriteString(line)
		if err != nil {
			return "", fmt.Errorf("mender-webhooks %s: %w: %s", args[0], err, shown.String())
		}
		if m := ready.FindStringSubmatch(line); m != nil {
			if err := act(m[1]); err != nil {
				return "", err
			}
			break
		}
	}
	_, _ = io.Copy(&shown, lines) // on Linux, reading past the end of a pseudo-terminal is an error
	return shown.String(), command.Wait()
}
