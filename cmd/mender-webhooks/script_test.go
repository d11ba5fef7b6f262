package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long a script waits for something that should be there at
// once. It is generous, since only a broken test uses it up.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"mender-webhooks": func() { os.Exit(run()) },
	})
}

// TestScripts runs what users type: cmd/testdata/script. Beside testscript's
// own commands there are those of scriptCommands.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "../testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "data"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("TZ", "UTC")
			env.Values[jobsKey{}] = &jobs{byName: map[string]*job{}}
			return nil
		},
		Cmds:                scriptCommands(),
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
	})
}

func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"sandbox": cmdSandbox,
		"listen":  cmdListen,
		"start":   cmdStart,
		"finish":  cmdFinish,
		"status":  cmdStatus,
		"gateway": cmdGateway,
		"until":   cmdUntil,
	}
}

type jobsKey struct{}

type jobs struct{ byName map[string]*job }

// job is a program of ours that runs while the script goes on.
type job struct {
	cmd      *exec.Cmd
	out, err *watched
	ended    chan struct{} // closed when the program has ended
}

// watched is a buffer that can be waited on.
type watched struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func newWatched() *watched { return &watched{changed: make(chan struct{}, 1)} }

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
	return w.text.Write(p)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// find waits for a match in what was written.
func (w *watched) find(re *regexp.Regexp, ended <-chan struct{}) ([]string, error) {
	deadline := time.After(patience)
	for {
		if m := re.FindStringSubmatch(w.String()); m != nil {
			return m, nil
		}
		select {
		case <-w.changed:
		case <-ended:
			return nil, fmt.Errorf("it ended without %q", re)
		case <-deadline:
			return nil, fmt.Errorf("no %q within %s", re, patience)
		}
	}
}

func startJob(ts *testscript.TestScript, name string, args ...string) *job {
	program := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if p := filepath.Join(dir, "mender-webhooks"); fileExists(p) {
			program = p
			break
		}
	}
	if program == "" {
		ts.Fatalf("the program is not in PATH")
	}
	j := &job{cmd: exec.Command(program, args...), out: newWatched(), err: newWatched(), ended: make(chan struct{})}
	j.cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "TZ", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "WORK",
		"MENDER_SERVER_URL", "MENDER_SERVER_ACCESS_TOKEN", "MENDER_WEBHOOK_SECRET", "SYSTEMROOT"} {
		if v := ts.Getenv(name); v != "" {
			j.cmd.Env = append(j.cmd.Env, name+"="+v)
		}
	}
	j.cmd.Stdout, j.cmd.Stderr = j.out, j.err
	ts.Check(j.cmd.Start())
	go func() {
		_ = j.cmd.Wait() // the exit code is looked at in finish
		close(j.ended)
	}()
	ts.Value(jobsKey{}).(*jobs).byName[name] = j
	ts.Defer(func() {
		_ = j.cmd.Process.Kill() // it may have ended already
	})
	return j
}

func fileExists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// sandbox [FLAGS] starts `mender-webhooks sandbox` on a free port and sets
// MENDER_SERVER_URL and MENDER_SERVER_ACCESS_TOKEN.
func cmdSandbox(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	j := startJob(ts, "sandbox", append([]string{"sandbox", "--addr", "127.0.0.1:0"}, args...)...)
	m, err := j.out.find(regexp.MustCompile(`export MENDER_SERVER_URL=(\S+)\nexport MENDER_SERVER_ACCESS_TOKEN=(\S+)\n`), j.ended)
	if err != nil {
		ts.Fatalf("sandbox: %v\n%s", err, j.err)
	}
	ts.Setenv("MENDER_SERVER_URL", m[1])
	ts.Setenv("MENDER_SERVER_ACCESS_TOKEN", m[2])
}

// listen NAME [FLAGS] starts `mender-webhooks listen` on a free port and sets
// $NAME to its URL.
func cmdListen(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	j := startJob(ts, args[0], append([]string{"listen", "--addr", "127.0.0.1:0"}, args[1:]...)...)
	m, err := j.err.find(regexp.MustCompile(`listening on (http\S+)[;/]`), j.ended)
	if err != nil {
		ts.Fatalf("listen: %v\n%s", err, j.err)
	}
	ts.Setenv(args[0], strings.TrimSuffix(m[1], ";"))
}

// start NAME ARGS runs mender-webhooks in the background.
func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	startJob(ts, args[0], args[1:]...)
}

// until NAME out|err REGEXP waits for something a background job prints.
func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	j := ts.Value(jobsKey{}).(*jobs).byName[args[0]]
	stream := j.out
	if args[1] == "err" {
		stream = j.err
	}
	if _, err := stream.find(regexp.MustCompile(args[2]), nil); err != nil {
		ts.Fatalf("%v; out:\n%s\nerr:\n%s", err, j.out, j.err)
	}
}

// finish NAME CODE [INT|TERM|wait] ends a background job with a signal (INT),
// or waits for it, checks its exit code, and writes NAME.out and NAME.err.
func cmdFinish(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	j := ts.Value(jobsKey{}).(*jobs).byName[args[0]]
	how := "INT"
	if len(args) > 2 {
		how = args[2]
	}
	if sig, ok := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM}[how]; ok {
		ts.Check(j.cmd.Process.Signal(sig))
	}
	select {
	case <-j.ended:
	case <-time.After(patience):
		ts.Fatalf("%s does not end; out:\n%s\nerr:\n%s", args[0], j.out, j.err)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".out"), []byte(j.out.String()), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".err"), []byte(j.err.String()), 0o600))
	if code := j.cmd.ProcessState.ExitCode(); strconv.Itoa(code) != args[1] {
		ts.Fatalf("%s ended with %d; out:\n%s\nerr:\n%s", args[0], code, j.out, j.err)
	}
}

// status CODE ARGS runs mender-webhooks in the foreground and checks its exit
// code. What it printed is for stdout, stderr and cmp to check. An argument
// <FILE in front of CODE gives it stdin.
func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	err := ts.Exec("mender-webhooks", args[1:]...)
	code := 0
	if err != nil {
		exit, ok := err.(*exec.ExitError) //nolint:errorlint // it is never wrapped
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("mender-webhooks %s: exit code %d, want %s", strings.Join(args[1:], " "), code, args[0])
	}
}

// gateway KIND starts something that is no Mender server, and sets
// MENDER_SERVER_URL: html, 502, truncated, 500, refused, echo.
func cmdGateway(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv("MENDER_SERVER_URL", "http://"+l.Addr().String())
	if args[0] == "refused" {
		ts.Check(l.Close())
		return
	}
	srv := &http.Server{Handler: gateway(args[0])}
	go func() { _ = srv.Serve(l) }()
	ts.Defer(func() { _ = srv.Close() })
}

func gateway(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch kind {
		case "html":
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<!doctype html><title>Welcome</title>")
		case "502":
			w.WriteHeader(http.StatusBadGateway)
		case "500":
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.Header().Set("X-Men-Requestid", "4f0c3c1e-0000-4000-8000-000000000500")
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, `{"error":"internal error","request_id":"4f0c3c1e-0000-4000-8000-000000000500"}`)
		case "truncated":
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `[{"id":"3bb0e41e-46b7`)
		case "two":
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = io.WriteString(w, `[{"id":"3bb0e41e-46b7-497b-977b-9215502b73e9","provider":"webhook","credentials":{"type":"http","http":{"url":"https://a.example/"}}},`+
				`{"id":"3bb0ffff-46b7-497b-977b-9215502b73e9","provider":"carrier-pigeon","credentials":{"type":"feather","feather":{"colour":"grey"}},"loft":7}]`)
		case "hostile":
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = io.WriteString(w, `[{"id":"3bb0e41e-46b7-497b-977b-9215502b73e9","provider":"webhook","credentials":{"type":"http","http":{"url":"https://a.example/"}},"description":"\u001b]0;owned\u0007\u202egnp.exe"}]`)
		}
	}
}

func refuse(ts *testscript.TestScript, neg bool) {
	if neg {
		ts.Fatalf("! makes no sense here")
	}
}
