//go:build unix

package main

import (
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
)

// terminal runs the program on a pseudo-terminal.
type terminal struct {
	t       *testing.T
	program string
	env     []string
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	return newTerminalOn(t, sandbox.Options{})
}

func newTerminalOn(t *testing.T, o sandbox.Options) *terminal {
	t.Helper()
	box, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(box)
	t.Cleanup(func() {
		server.Close()
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// testscript.Main looks at the name of the binary.
	program := filepath.Join(t.TempDir(), "mender-webhooks")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	return &terminal{t: t, program: program, env: []string{
		"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_CACHE_HOME=" + home, "XDG_DATA_HOME=" + home,
		"DBUS_SESSION_BUS_ADDRESS=unix:path=" + home + "/no-bus", // no keyring
		"PATH=" + os.Getenv("PATH"), "TERM=xterm", "MENDER_SERVER_URL=" + server.URL, "MENDER_SERVER_ACCESS_TOKEN=" + box.AdminToken(),
	}}
}

// run types the keys when the prompt appears, or at once if prompt is empty. It
// returns the contents of the screen and the exit code.
func (x *terminal) run(prompt, keys string, args ...string) (screen string, code int) {
	x.t.Helper()
	command := exec.Command(x.program, args...)
	command.Env = x.env
	tty, err := pty.StartWithSize(command, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		x.t.Fatal(err)
	}
	defer tty.Close()
	shown := newWatched()
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(shown, tty) // it ends with an error when the program does
	}()
	if prompt != "" {
		if _, err := shown.find(regexp.MustCompile(regexp.QuoteMeta(prompt)), copied); err != nil {
			x.t.Fatalf("%v: %s", err, shown)
		}
		if _, err := io.WriteString(tty, keys); err != nil {
			x.t.Fatal(err)
		}
	}
	err = command.Wait()
	<-copied
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return shown.String(), exit.ExitCode()
	} else if err != nil {
		x.t.Fatal(err)
	}
	return shown.String(), 0
}

func (x *terminal) want(screen string, parts ...string) {
	x.t.Helper()
	for _, part := range parts {
		// A long line may be wrapped.
		if !strings.Contains(screen, part) && !strings.Contains(strings.Join(strings.Fields(screen), " "), part) {
			x.t.Errorf("no %q on the screen:\n%s", part, screen)
		}
	}
}

func TestDeleteAsksOnATerminal(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	if screen, code := x.run("", "", "create", "--url", "https://example.com/hook", "--no-secret"); code != 0 {
		t.Fatal(screen)
	}
	const prompt = "? [y/N] "
	screen, code := x.run(prompt, "n\n", "delete")
	x.want(screen, "Delete webhook", "(https://example.com/hook) on http://127.0.0.1:", "not confirmed; nothing was changed")
	if code != 1 {
		t.Errorf("no: exit code %d", code)
	}
	if screen, code := x.run(prompt, "\x03", "delete", "https://example.com/hook"); code != 130 {
		t.Errorf("Ctrl-C: exit code %d:\n%s", code, screen)
	}
	if screen, _ := x.run("", "", "list", "-o", "name"); len(strings.TrimSpace(screen)) != 36 {
		t.Errorf("the webhook is gone: %s", screen)
	}
	if screen, code := x.run(prompt, "y\n", "delete"); code != 0 {
		t.Errorf("yes: exit code %d:\n%s", code, screen)
	}
	if screen, _ := x.run("", "", "list", "-o", "name", "-q"); screen != "" {
		t.Errorf("the webhook is still there: %s", screen)
	}
}

func TestGeneratedSecretIsShownOnATerminalWhenAskedFor(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	screen, code := x.run("", "", "create", "--url", "https://example.com/hook", "--generate-secret", "--show-secret")
	if code != 0 || !regexp.MustCompile(`secret: [0-9a-f]{64}\r\n`).MatchString(screen) {
		t.Errorf("exit code %d:\n%s", code, screen)
	}
}

func TestColourAndWidthOfATerminal(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	long := strings.Repeat("fleet events ", 10)
	if screen, code := x.run("", "", "create", "--url", "https://example.com/hook", "--no-secret", "--description", long); code != 0 {
		t.Fatal(screen)
	}
	screen, _ := x.run("", "", "list")
	x.want(screen, "\x1b[", "…")
	plain, _ := x.run("", "", "list", "--no-color")
	doctor, _ := x.run("", "", "doctor", "-q", "--no-color")
	x.want(doctor, "\r\n                ") // a long finding is wrapped and indented
	plain += doctor
	if strings.Contains(plain, "\x1b") {
		t.Errorf("colour:\n%q", plain)
	}
	for line := range strings.Lines(plain) {
		if n := len([]rune(strings.TrimRight(line, "\r\n"))); n > 80 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	x.env = append(x.env, "NO_COLOR=1")
	if screen, _ := x.run("", "", "list"); strings.Contains(screen, "\x1b") {
		t.Errorf("NO_COLOR: %q", screen)
	}
}

func TestActivityOnATerminal(t *testing.T) {
	t.Parallel()
	x := newTerminalOn(t, sandbox.Options{History: 300, Latency: 1500 * time.Millisecond})
	screen, code := x.run("", "", "activity", "--failed", "--limit", "3", "--no-color")
	if code != 0 {
		t.Fatal(screen)
	}
	x.want(screen, "\r\x1b[Kwaiting for the server\r\x1b[K", "dial tcp 203.0.113.7:443: connect: connection refused\r\n")
	_, table, _ := strings.Cut(screen, "TIME")
	for line := range strings.Lines("TIME" + table) {
		if n := len([]rune(strings.TrimRight(line, "\r\n"))); n > 80 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	screen, _ = x.run("", "", "activity", "--stats")
	x.want(screen, "█", "\x1b[31m")
	id := regexp.MustCompile(`(?m)^[0-9a-f-]{36}`).FindString(first(x.run("", "", "activity", "--limit", "1", "-o", "name", "-q")))
	screen, _ = x.run("", "", "activity", id)
	x.want(screen, "\x1b[34m\"id\"\x1b[0m", "Delivery:")
}

// TestTablesFitATerminal shows the tables on narrow and wide screens, and pastes what they
// show into other commands.
func TestTablesFitATerminal(t *testing.T) {
	t.Parallel()
	x := newTerminalOn(t, sandbox.Options{History: 300})
	if screen, code := x.run("", "", "create", "--url", "https://example.com/a/long/path/of/a/hook", "--generate-secret",
		"--description", strings.Repeat("fleet events ", 10)); code != 0 {
		t.Fatal(screen)
	}
	for _, columns := range []int{70, 80, 100, 200} {
		shown := map[string]string{}
		for _, command := range []string{
			"list", "secret list", "activity --limit 50", "activity --failed --all", "activity --stats", "config list", "token list", "config list --profiles",
		} {
			s := x.start(columns, strings.Fields(command)...)
			<-s.ended
			s.end()
			shown[command] = s.shown.String()
		}
		webhook := regexp.MustCompile(`(?m)^([0-9a-f]{8}) +webhook `).FindStringSubmatch(shown["list"])
		event := regexp.MustCompile(`(?m)^([0-9-]+ [0-9:]+) +([0-9a-f]{8,10})  ([a-z-]+) +([0-9a-f]{8,10})  `).FindStringSubmatch(shown["activity --limit 50"])
		if webhook == nil || event == nil {
			t.Fatalf("%d columns: no short ids:\n%s\n%s", columns, shown["list"], shown["activity --limit 50"])
		}
		for _, command := range [][]string{
			{"inspect", webhook[1]}, {"secret", "show", webhook[1]}, {"activity", event[2]},
		} {
			if screen, code := x.run("", "", command...); code != 0 {
				t.Errorf("%d columns: %v: exit code %d: %s", columns, command, code, screen)
			}
		}
		screen, code := x.run("", "", "activity", "--since", event[1], "--type", event[3], "--device", event[4], "--all", "-o", "name")
		if code != 0 || !strings.Contains(screen, event[2]) {
			t.Errorf("%d columns: pasting %q finds no event: %s", columns, event[1:], screen)
		}
	}
}

// TestMessagesAndHelpFitATerminal shows errors, hints and help on narrow screens.
func TestMessagesAndHelpFitATerminal(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	for command, want := range map[string]string{
		"queue":                    "error: --store or --nats required hint: pass the same --store or --nats as to `mender-webhooks listen`",
		"activity --since someday": "hint: write an age such as 90s, 2h, 1d12h or 1w, or a time such as 2026-11-23, 2026-11-23T10:00, 10:00 or yesterday",
		"listen --help":            "listen answers 204 if the signature matches a secret, and 401 if it does not match or is missing.",
		"help exit-codes":          "130 interrupted; but a command that runs until you stop it (listen, sandbox, activity --follow) exits with 0 on Ctrl-C",
		"help":                     "Set up the webhooks of a Mender organization, see which events Mender sent and which deliveries failed",
	} {
		for _, columns := range []int{60, 80, 120} {
			s := x.start(columns, strings.Fields(command)...)
			<-s.ended
			s.end()
			if shown := strings.Join(strings.Fields(s.shown.String()), " "); !strings.Contains(shown, want) {
				t.Errorf("%d columns: %s: no %q in:\n%s", columns, command, want, s.shown)
			}
		}
	}
}

func first(screen string, _ int) string { return screen }

// TestNextStepsOnATerminal follows the next steps from create to listen.
func TestNextStepsOnATerminal(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	screen, code := x.run("create one with", "\x03", "listen", "--addr", "127.0.0.1:0")
	x.want(screen, "next: there is no webhook on http://127.0.0.1:")
	if code != 0 {
		t.Errorf("listen: exit code %d:\n%s", code, screen)
	}
	screen, _ = x.run("", "", "create", "--url", "http://127.0.0.1:1/hook", "--generate-secret")
	x.want(screen, "next: run `mender-webhooks listen` on the machine behind the URL")
	screen, _ = x.run("update --url URL", "\x03", "listen", "--addr", "127.0.0.1:0", "--forward-to", "3000")
	x.want(screen, "forwarding events to http://localhost:3000", "sends events to http://127.0.0.1:1/hook, not here")
	screen, _ = x.run("not here", "\x03", "listen", "--addr", "127.0.0.1:0", "--store", t.TempDir()+"/store")
	x.want(screen, "events are only stored; pass --forward-to URL")
	if screen, code = x.run("", "", "update", "--url", "https://example.com/hook?token=hunter2", "--no-secret"); code != 0 {
		t.Fatal(screen)
	}
	screen, _ = x.run("which must lead here", "\x03", "listen", "--addr", "127.0.0.1:0", "--secret", "deadbeef")
	x.want(screen, "sends events to https://example.com/hook?token=***, which must lead here")
	// With -q, nothing is looked up.
	screen, _ = x.run("", "", "listen", "--addr", "127.0.0.1:0", "--secret", "deadbeef", "-q", "--timeout", "10ms")
	if strings.Contains(screen, "webhook") {
		t.Errorf("-q: %s", screen)
	}
}
