//go:build unix

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDocs runs the sh blocks of the README, the guides and the other pages of
// docs against a sandbox: in order, with one shell per page. Comments before a
// block, which readers do not see, control how it is run:
//
//	<!-- test sandbox: FLAGS -->     flags of the sandbox (once, anywhere)
//	<!-- test skip: REASON -->       do not run the block
//	<!-- test needs: PROGRAM -->     skip the block if the program is not installed
//	<!-- test before: COMMAND -->    run this before the block
//	<!-- test background: REGEXP --> run in the background; continue once it prints this
//	<!-- test prints: REGEXP -->     expect this in the output
//	<!-- test exit: CODE -->         expect this exit code
//	<!-- test file: NAME -->         save the block, in any language
//
// The ports of the examples are replaced by free ones, and the public URL by one
// where nothing listens: in an example, too, events arrive only if its URL leads
// to the listener.
func TestDocs(t *testing.T) {
	t.Parallel()
	pages := []string{"../../README.md"}
	for _, pattern := range []string{"../../docs/guides/*.md", "../../docs/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	for _, page := range pages {
		if why := notRun[filepath.Base(page)]; why != "" {
			t.Logf("%s is not run: %s", page, why)
			continue
		}
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			runPage(t, string(text))
		})
	}
}

// notRun lists pages that cannot run here. Another test checks that their
// commands and flags exist.
var notRun = map[string]string{
	"benchmarks.md": "benchmarks take minutes, and need an idle machine",
	"cluster.md":    "needs a cluster; cmd/testdata/script/cluster.txtar starts one",
}

// mdBlock is a fenced block with the directives before it.
type mdBlock struct {
	line       int
	lang, text string
	directives map[string]string
}

var directive = regexp.MustCompile(`^<!-- test ([a-z]+): (.*) -->$`)

func mdBlocks(t *testing.T, page string) (blocks []mdBlock, sandboxFlags []string) {
	t.Helper()
	directives, open := map[string]string{}, false
	for n, line := range strings.Split(page, "\n") {
		lang, fence := strings.CutPrefix(line, "```")
		m := directive.FindStringSubmatch(line)
		switch {
		case fence && !open:
			blocks, open = append(blocks, mdBlock{line: n + 1, lang: lang, directives: directives}), true
			directives = map[string]string{}
		case fence:
			open = false
		case open:
			blocks[len(blocks)-1].text += line + "\n"
		case m != nil && m[1] == "sandbox":
			sandboxFlags = strings.Fields(m[2])
		case m != nil:
			if !slices.Contains([]string{"skip", "needs", "before", "background", "prints", "exit", "file"}, m[1]) || m[2] == "" {
				t.Errorf("line %d: unknown directive %s", n+1, line)
			}
			directives[m[1]] = m[2]
		case strings.Contains(line, "<!-- test"):
			t.Errorf("line %d: unknown directive %s", n+1, line)
		}
	}
	return blocks, sandboxFlags
}

func runPage(t *testing.T, page string) {
	x := newTerminal(t)
	dir := t.TempDir()
	replace := examplesReplaced(t)
	blocks, flags := mdBlocks(t, page)
	var script strings.Builder
	script.WriteString(`set -eum
await() { # FILE REGEXP: until it is there, or half a minute has passed
  for _ in $(seq 600); do if grep -qE -e "$2" "$1"; then return; fi; sleep 0.05; done
  echo "it does not print $2"; exit 1
}
stop() { for job in $(jobs -p); do kill -INT -- "-$job" 2>/dev/null || :; done; wait || :; }
trap stop EXIT
mender-webhooks sandbox --addr 127.0.0.1:0 --env-file .env ` + strings.Join(flags, " ") + ` > .sandbox 2>&1 &
await .sandbox export.MENDER_SERVER_ACCESS_TOKEN
. ./.env
`)
	ran := 0
	for _, b := range blocks {
		text := forTest(b.text, replace)
		name := b.directives["file"]
		if name == "" {
			name = fmt.Sprintf(".block%d", b.line)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if b.lang != "sh" || b.directives["file"] != "" {
			continue
		}
		if b.directives["skip"] != "" {
			t.Logf("line %d is not run: %s", b.line, b.directives["skip"])
			continue
		}
		if program := b.directives["needs"]; program != "" {
			if _, err := exec.LookPath(program); err != nil {
				t.Logf("line %d is not run: %s is not installed", b.line, program)
				continue
			}
		}
		ran++
		script.WriteString(blockScript(b, name, replace))
	}
	if ran == 0 {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, ".script"), []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := runScript(t, x, dir); err != nil {
		t.Errorf("%v; output of the page's commands:\n%s", err, out)
	}
}

// listenCall is a listener at its default address, which tests must not use.
var listenCall = regexp.MustCompile(`(mender-webhooks listen)( -|\n)`)

// forTest returns a block with ports for the test.
func forTest(text string, replace *strings.Replacer) string {
	if !strings.Contains(text, "--addr") {
		text = listenCall.ReplaceAllString(text, "$1 --addr 127.0.0.1:8090$2")
	}
	return replace.Replace(text)
}

// examplesReplaced returns a replacer of the examples' addresses and URLs by ones
// for tests.
func examplesReplaced(t *testing.T) *strings.Replacer {
	t.Helper()
	port := map[string]string{}
	for _, example := range []string{"8090", "3000", "3001", "example.com"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // all at the end, so that each port is different
		_, port[example], _ = net.SplitHostPort(l.Addr().String())
	}
	return strings.NewReplacer(
		"https://example.com/mender", "http://127.0.0.1:"+port["example.com"]+"/mender",
		"ci@example.com", "admin@example.com",
		"/etc/mender-webhooks/hook.secret", "hook.secret",
		"0.0.0.0:8090", "127.0.0.1:"+port["8090"],
		"8090", port["8090"], "3000", port["3000"], "3001", port["3001"])
}

func blockScript(b mdBlock, name string, replace *strings.Replacer) string {
	var s strings.Builder
	out := fmt.Sprintf(".out%d", b.line)
	fmt.Fprintf(&s, "echo '== the block at line %d'\n", b.line)
	if before := b.directives["before"]; before != "" {
		fmt.Fprintf(&s, "%s\n", forTest(before, replace))
	}
	code := b.directives["exit"]
	switch {
	case b.directives["background"] != "":
		fmt.Fprintf(&s, "( . ./%s ) > %s 2>&1 &\nawait %[2]s '%s'\n", name, out, b.directives["background"])
	case code != "":
		fmt.Fprintf(&s, "set +e; ( . ./%s ) > %s 2>&1; code=$?; set -e; cat %[2]s\n[ $code = %s ] || { echo \"it ends with $code\"; exit 1; }\n", name, out, code)
	default:
		// The end of the script shows what failed.
		fmt.Fprintf(&s, ". ./%s > %s 2>&1 || { code=$?; cat %[2]s; exit $code; }\ncat %[2]s\n", name, out)
	}
	if want := b.directives["prints"]; want != "" {
		fmt.Fprintf(&s, "await %s '%s'\n", out, want)
	}
	return s.String()
}

func runScript(t *testing.T, x *terminal, dir string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", ".script")
	command.Dir = dir
	command.Env = append(slices.Clone(x.env), "PATH="+filepath.Dir(x.program)+":"+os.Getenv("PATH"), "TMPDIR="+t.TempDir())
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOROOT"} {
		if out, err := exec.Command("go", "env", name).Output(); err == nil {
			command.Env = append(command.Env, name+"="+strings.TrimSpace(string(out)))
		}
	}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 10 * time.Second
	out, err := command.CombinedOutput()
	return string(out), err
}
