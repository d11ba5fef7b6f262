//go:build unix

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// completionCases are typed lines, and what the shell must offer after the Tab
// key. ID is the id of the sandbox's webhook.
var completionCases = []struct{ name, typed, want string }{
	{"command", "tri", "trigger"},
	{"flag", "activity --fail", "activity --failed"},
	{"event type", "trigger device-dec", "trigger device-decommissioned"},
	{"event type of a flag", "activity --type device-st", "activity --type device-status-changed"},
	{"status", "trigger device-status-changed --status preau", "--status preauthorized"},
	{"profile", "list --profile lab", "list --profile laboratory"},
	{"output format", "list -o ya", "list -o yaml"},
	{"condition", "activity --wait-for sta", "--wait-for status="},
	{"condition's value", "activity --wait-for type=device-dec", "--wait-for type=device-decommissioned"},
	{"help topic", "help exit", "help exit-codes"},
	{"integration", "inspect ID4", "inspect ID"},
	{"integration of a flag", "activity --integration ID4", "--integration ID"},
}

// TestCompletionInShells asks real shells, with the scripts of completions/.
func TestCompletionInShells(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	scripts, err := filepath.Abs("../../completions")
	if err != nil {
		t.Fatal(err)
	}
	x.env = append(x.env, "PATH="+filepath.Dir(x.program)+":"+os.Getenv("PATH"), "SCRIPTS="+scripts, "PS1=ready> ", "HISTFILE=")
	if screen, code := x.run("", "", "create", "--url", "https://example.com/hook", "--no-secret"); code != 0 {
		t.Fatal(screen)
	}
	x.profile("laboratory")
	id, _ := x.run("", "", "list", "-o", "name", "-q")
	id = strings.TrimSpace(id)
	for _, shell := range []struct {
		name, needs string
		start       func(*testing.T, *terminal) asker
	}{
		{"bash", "/usr/share/bash-completion/bash_completion", startBash},
		{"zsh", "", startZsh},
		{"fish", "", startFish},
	} {
		t.Run(shell.name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(shell.name); err != nil {
				t.Skipf("%s is not installed", shell.name)
			}
			if shell.needs != "" {
				if _, err := os.Stat(shell.needs); err != nil {
					t.Skip(err)
				}
			}
			ask := shell.start(t, x)
			for _, c := range completionCases {
				typed := strings.ReplaceAll(c.typed, "ID4", id[:4])
				want := regexp.QuoteMeta(strings.ReplaceAll(c.want, "ID", id))
				ask(t, typed, regexp.MustCompile(want+`(?:\s|\x1b|$)`))
			}
		})
	}
}

// profile writes a config file with one empty profile.
func (x *terminal) profile(name string) {
	x.t.Helper()
	for _, v := range x.env {
		if dir, ok := strings.CutPrefix(v, "XDG_CONFIG_HOME="); ok {
			dir = filepath.Join(dir, "mender-webhooks")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				x.t.Fatal(err)
			}
			text := "profiles:\n  " + name + ":\n    request-timeout: 10s\n"
			if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(text), 0o600); err != nil {
				x.t.Fatal(err)
			}
		}
	}
}

// asker types a line, presses Tab, and fails the test if the shell then shows no
// match.
type asker func(t *testing.T, typed string, want *regexp.Regexp)

func startBash(t *testing.T, x *terminal) asker {
	return startInteractive(t, x, []string{"bash", "--norc", "--noprofile", "-i"},
		". /usr/share/bash-completion/bash_completion; . $SCRIPTS/mender-webhooks.bash; PS1='pro''mpt> '\n")
}

func startZsh(t *testing.T, x *terminal) asker {
	return startInteractive(t, x, []string{"zsh", "-f", "-i"},
		"fpath=($SCRIPTS $fpath); autoload -U compinit; compinit -u -D; PS1='pro''mpt> '\n")
}

// startInteractive starts a shell on a terminal.
func startInteractive(t *testing.T, x *terminal, shell []string, setUp string) asker {
	t.Helper()
	command := exec.Command(shell[0], shell[1:]...)
	command.Env = x.env
	tty, err := pty.StartWithSize(command, &pty.Winsize{Rows: 40, Cols: 250})
	if err != nil {
		t.Fatal(err)
	}
	shown, copied := newWatched(), make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(shown, tty) // it ends with an error when the shell does
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill() // it waits at its prompt
		_ = command.Wait()
		tty.Close()
		<-copied
	})
	ask := func(t *testing.T, keys string, want *regexp.Regexp) {
		t.Helper()
		if want.MatchString(shown.String()) {
			t.Fatalf("%q is on the screen already; choose another case", want)
		}
		if _, err := io.WriteString(tty, keys); err != nil {
			t.Fatal(err)
		}
		if _, err := shown.find(want, copied); err != nil {
			t.Fatalf("%v; the screen: %q", err, shown)
		}
	}
	ask(t, setUp, regexp.MustCompile(`prompt> `))
	return func(t *testing.T, typed string, want *regexp.Regexp) {
		t.Helper()
		ask(t, "\x15mender-webhooks "+typed+"\t", want) // Ctrl-U empties the line
	}
}

// startFish asks fish's completion engine, which scripts can call.
func startFish(_ *testing.T, x *terminal) asker {
	return func(t *testing.T, typed string, want *regexp.Regexp) {
		t.Helper()
		command := exec.Command("fish", "--no-config", "-c", `source $SCRIPTS/mender-webhooks.fish; complete -C "mender-webhooks $argv"`, typed)
		command.Env = x.env
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		words := strings.Fields(typed)
		before := strings.Join(words[:len(words)-1], " ")
		for line := range strings.Lines(string(out)) {
			if choice, _, _ := strings.Cut(line, "\t"); want.MatchString(before + " " + strings.TrimSpace(choice)) {
				return
			}
		}
		t.Errorf("no %q among:\n%s", want, out)
	}
}
