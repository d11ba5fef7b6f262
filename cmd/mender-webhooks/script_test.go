package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// patience is how long a script waits for something that should be there at
// once. It is generous, since only a broken test uses it up.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"mender-webhooks": func() { os.Exit(run()) },
		"bare-handler":    bareHandler,
		"nats-node":       natsNode,
	})
}

// TestScripts runs the scripts in testdata/script. They can use testscript's own
// commands and the scriptCommands.
func TestScripts(t *testing.T) {
	t.Parallel()
	// Under nohup, programs would inherit that SIGHUP is ignored.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
	testscript.Run(t, testscript.Params{
		Dir: "../testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "data"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("TZ", "UTC")
			// No keyring: the file is used, and no bus is started.
			env.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+filepath.Join(env.WorkDir, "no-bus"))
			env.Setenv("EXPIRED", expiredToken())
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
		"sandbox":    cmdSandbox,
		"listen":     cmdListen,
		"start":      cmdStart,
		"finish":     cmdFinish,
		"signal":     cmdSignal,
		"status":     cmdStatus,
		"gateway":    cmdGateway,
		"until":      cmdUntil,
		"api":        cmdAPI,
		"device":     cmdDevice,
		"readenv":    cmdReadenv,
		"mode":       cmdMode,
		"metrics":    cmdMetrics,
		"inspector":  cmdInspector,
		"nats":       cmdNATS,
		"address":    cmdAddress,
		"eventually": cmdEventually,
		"cmpfields":  cmdCmpfields,
		"signed":     cmdSigned,
		"login":      cmdLogin,
		"config":     cmdConfig,
		"terminal":   cmdTerminal,
		"menderCLI":  cmdMenderCLI,
		"unset":      cmdUnset,
		"cert":       cmdCert,
	}
}

// expiredToken is a JWT that ran out in 2020.
func expiredToken() string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode([]byte(`{"sub":"u","exp":1577836800,"mender.user":true}`)) + ".c2ln"
}

type jobsKey struct{}

type jobs struct{ byName map[string]*job }

// job is a run of the program in the background of a script.
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

// find waits for a match in the buffer.
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
	program, err := exec.LookPath("mender-webhooks") // testscript has put it into PATH
	ts.Check(err)
	j := &job{cmd: exec.Command(program, args...), out: newWatched(), err: newWatched(), ended: make(chan struct{})}
	j.cmd.Dir = ts.MkAbs(".")
	j.cmd.Env = environmentOf(ts)
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

// environmentOf returns the variables of the script's environment that the program
// reads.
func environmentOf(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TZ", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "WORK",
		"DBUS_SESSION_BUS_ADDRESS", "MENDER_SERVER_URL", "MENDER_SERVER_ACCESS_TOKEN", "MENDER_WEBHOOK_SECRET",
		"NATS_USER", "NATS_PASSWORD", "TICKET_TOKEN", "SYSTEMROOT", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		if v := ts.Getenv(name); v != "" && !slices.Contains(strings.Fields(ts.Getenv("UNSET")), name) {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// sandbox [FLAGS] starts `mender-webhooks sandbox` on a free port and sets
// MENDER_SERVER_URL, MENDER_SERVER_ACCESS_TOKEN and SANDBOXADDR.
func cmdSandbox(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	j := startJob(ts, "sandbox", append([]string{"sandbox", "--addr", "127.0.0.1:0"}, args...)...)
	m, err := j.out.find(regexp.MustCompile(`export MENDER_SERVER_URL=(\S+)\nexport MENDER_SERVER_ACCESS_TOKEN=(\S+)\n`), j.ended)
	if err != nil {
		ts.Fatalf("sandbox: %v\n%s", err, j.err)
	}
	ts.Setenv("MENDER_SERVER_URL", m[1])
	ts.Setenv("SANDBOXADDR", strings.TrimPrefix(m[1], "http://"))
	ts.Setenv("MENDER_SERVER_ACCESS_TOKEN", m[2])
}

// listen NAME [FLAGS] starts `mender-webhooks listen` on a free port and sets
// $NAME to its URL.
func cmdListen(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	j := startJob(ts, args[0], append([]string{"listen", "--addr", "127.0.0.1:0"}, args[1:]...)...)
	m, err := j.err.find(regexp.MustCompile(`listening on (http[^\s;]+);`), j.ended)
	if err != nil {
		ts.Fatalf("listen: %v\n%s", err, j.err)
	}
	ts.Setenv(args[0], m[1])
	u, err := url.Parse(m[1])
	ts.Check(err)
	ts.Setenv(args[0]+"ADDR", u.Host)
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

// finish NAME CODE [INT|TERM|HUP|wait] ends a background job with a signal (INT),
// or waits for it, checks its exit code, and writes NAME.out and NAME.err.
func cmdFinish(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	j := ts.Value(jobsKey{}).(*jobs).byName[args[0]]
	how := "INT"
	if len(args) > 2 {
		how = args[2]
	}
	if sig, ok := signals()[how]; ok {
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

func signals() map[string]os.Signal {
	return map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}
}

// signal NAME INT|TERM|HUP sends a signal to a background job.
func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	ts.Check(ts.Value(jobsKey{}).(*jobs).byName[args[0]].cmd.Process.Signal(signals()[args[1]]))
}

// status CODE [NAME=VALUE...] ARGS runs mender-webhooks in the foreground and
// checks its exit code. Check its output with stdout, stderr and cmp.
func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	want, args := args[0], args[1:]
	for name := range strings.FieldsSeq(ts.Getenv("UNSET")) {
		args = slices.Insert(args, 0, "-u", name)
	}
	program, given := "mender-webhooks", args
	for len(args) > 1 && args[0] == "-u" {
		args = args[2:]
	}
	for len(args) > 0 && assignment.MatchString(args[0]) {
		args = args[1:]
	}
	if set := len(given) - len(args); set > 0 {
		program, given = "env", slices.Concat(given[:set], []string{"mender-webhooks"}, args)
	}
	err := ts.Exec(program, given...)
	code := 0
	if err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != want {
		ts.Fatalf("mender-webhooks %s: exit code %d, want %s", strings.Join(args, " "), code, want)
	}
}

// eventually CODE ARGS is status, again and again until the exit code is CODE.
func cmdEventually(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	for deadline := time.Now().Add(patience); ; {
		err := ts.Exec("mender-webhooks", args[1:]...)
		code := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		}
		if strconv.Itoa(code) == args[0] {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("mender-webhooks %s: still exit code %d", strings.Join(args[1:], " "), code)
		}
	}
}

var assignment = regexp.MustCompile(`^[A-Z_]+=`)

// api METHOD PATH [FILE] calls the sandbox, with the administrator's token.
func cmdAPI(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	var body []byte
	if len(args) > 2 {
		body = []byte(ts.ReadFile(args[2]))
	}
	call(ts, args[0], args[1], body)
}

func call(ts *testscript.TestScript, method, path string, body []byte) []byte {
	req, err := http.NewRequest(method, ts.Getenv("MENDER_SERVER_URL")+path, bytes.NewReader(body))
	ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+ts.Getenv("MENDER_SERVER_ACCESS_TOKEN"))
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if resp.StatusCode >= 300 {
		ts.Fatalf("%s %s: %s: %s", method, path, resp.Status, answer)
	}
	return answer
}

// device STATUS changes the status of a device, and waits until the server has
// logged the delivery of the event.
func cmdDevice(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	const events = "/api/management/v1/iot-manager/events?per_page=500"
	before := call(ts, "GET", events, nil)
	call(ts, "PUT", "/api/internal/v1/iot-manager/tenants//bulk/devices/status/"+args[0],
		[]byte(`[{"id":"769e5a83-259c-4506-ab05-9c2564f196fd"}]`))
	for deadline := time.Now().Add(patience); bytes.Equal(before, call(ts, "GET", events, nil)); {
		if time.Now().After(deadline) {
			ts.Fatalf("the event never reached the log")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// readenv NAME FILE sets a variable to a file's first line.
func cmdReadenv(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	line, _, _ := strings.Cut(ts.ReadFile(args[1]), "\n")
	ts.Setenv(args[0], line)
}

// cmpfields FILE GOLDEN FIELDS... compares fields of the objects in FILE, one per
// line.
func cmdCmpfields(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	var got strings.Builder
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var object map[string]any
		ts.Check(json.Unmarshal([]byte(line), &object))
		var values []string
		for _, field := range args[2:] {
			value := ""
			if v, ok := object[field]; ok && v != nil {
				value = fmt.Sprint(v)
			}
			values = append(values, value)
		}
		fmt.Fprintln(&got, strings.Join(values, " "))
	}
	if want := ts.ReadFile(args[1]); got.String() != want {
		ts.Fatalf("got:\n%swant:\n%s", got.String(), want)
	}
}

// signed BODY NEWLINE ALTERED writes a body, the same body with a newline, and an
// altered one. It sets SIG and TEXTSIG to signatures of the first with the secret
// deadbeef: by its bytes and by its text.
func cmdSigned(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	body := `{"id":"81afc453-e040-4a4d-8aa4-f94a47030fe8","type":"device-decommissioned","data":{"id":"d"}}`
	for i, text := range []string{body, body + "\n", strings.Replace(body, "81af", "91af", 1)} {
		ts.Check(os.WriteFile(ts.MkAbs(args[i]), []byte(text), 0o600))
	}
	sign := func(hexKey string) string {
		secret, err := webhook.ParseSecret(hexKey)
		ts.Check(err)
		return secret.Sign([]byte(body))
	}
	ts.Setenv("SIG", sign("deadbeef"))
	ts.Setenv("TEXTSIG", sign(hex.EncodeToString([]byte("deadbeef"))))
}

// login EMAIL PASSWORD sets MENDER_SERVER_ACCESS_TOKEN to a session's token.
func cmdLogin(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	client, err := mender.New(mender.Options{Server: ts.Getenv("MENDER_SERVER_URL")})
	ts.Check(err)
	token, err := client.Login(context.Background(), mender.LoginRequest{Email: args[0], Password: args[1]})
	ts.Check(err)
	ts.Setenv("MENDER_SERVER_ACCESS_TOKEN", token)
}

// config PROFILE adds a profile with the server and the token of the environment to the
// config file. The first one is the default.
func cmdConfig(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	dir := filepath.Join(ts.Getenv("XDG_CONFIG_HOME"), "mender-webhooks")
	ts.Check(os.MkdirAll(dir, 0o700))
	path := filepath.Join(dir, "config.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		text = fmt.Appendf(nil, "profile: %q\nprofiles:\n", args[0])
	}
	text = fmt.Appendf(text, "  %q:\n    server: %s\n    token: %s\n",
		args[0], ts.Getenv("MENDER_SERVER_URL"), ts.Getenv("MENDER_SERVER_ACCESS_TOKEN"))
	ts.Check(os.WriteFile(path, text, 0o600))
}

// metrics NAME PATH REGEXP waits until an answer of listen's --metrics address
// matches.
func cmdMetrics(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	j := ts.Value(jobsKey{}).(*jobs).byName[args[0]]
	m, err := j.err.find(regexp.MustCompile(`metrics on (http://\S+)/metrics`), j.ended)
	ts.Check(err)
	answer(ts, m[1]+args[1], "", args[2])
}

// inspector NAME PATH REGEXP waits until an answer of listen's --inspect address matches.
func cmdInspector(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	j := ts.Value(jobsKey{}).(*jobs).byName[args[0]]
	m, err := j.err.find(regexp.MustCompile(`its URL is in ([^"\n]+)`), j.ended)
	ts.Check(err)
	base, token, _ := strings.Cut(strings.TrimSpace(ts.ReadFile(m[1])), "/#")
	answer(ts, base+args[1], token, args[2])
}

// answer waits until an answer matches an expression.
func answer(ts *testscript.TestScript, url, token, expression string) {
	want, text := regexp.MustCompile(expression), ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		req, err := http.NewRequest(http.MethodGet, url, nil)
		ts.Check(err)
		req.Header.Set("X-Inspector-Token", token)
		resp, err := http.DefaultClient.Do(req)
		ts.Check(err)
		body, err := io.ReadAll(resp.Body)
		ts.Check(errors.Join(err, resp.Body.Close()))
		if text = string(body); want.MatchString(text) {
			return
		}
	}
	ts.Fatalf("no %q in\n%s", expression, text)
}

// unset NAMES... removes variables from the environment of status. testscript
// itself can only set them to the empty string.
func cmdUnset(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	ts.Setenv("UNSET", strings.Join(args, " "))
}

// menderCLI SERVER writes the files of a mender-cli that is logged in with the
// token of the environment.
func cmdMenderCLI(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	ts.Check(os.WriteFile(filepath.Join(ts.Getenv("HOME"), ".mender-clirc"),
		[]byte(fmt.Sprintf(`{"server": %q, "username": "admin@example.com"}`, args[0])), 0o600))
	dir := filepath.Join(ts.Getenv("XDG_CACHE_HOME"), "mender")
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(os.WriteFile(filepath.Join(dir, "authtoken"), []byte(ts.Getenv("MENDER_SERVER_ACCESS_TOKEN")), 0o600))
}

// mode OCTAL FILE checks a file's permissions.
func cmdMode(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s", args[1], got)
	}
}

// gateway KIND starts a server other than Mender's, and sets MENDER_SERVER_URL and
// GATEWAYADDR. KIND is html, 502, truncated, 500, refused or echo.
func cmdGateway(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv("MENDER_SERVER_URL", "http://"+l.Addr().String())
	ts.Setenv("GATEWAYADDR", l.Addr().String())
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
		case "hang":
			<-r.Context().Done()
		case "502":
			w.WriteHeader(http.StatusBadGateway)
		case "null":
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = io.WriteString(w, "null")
		case "proxy":
			w.WriteHeader(http.StatusProxyAuthRequired)
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
		case "cut":
			if r.Method != http.MethodGet {
				panic(http.ErrAbortHandler) // closes the connection
			}
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = io.WriteString(w, `[{"id":"3bb0e41e-46b7-497b-977b-9215502b73e9","provider":"webhook","credentials":{"type":"http","http":{"url":"https://a.example/","secret":"<omitted>"}}}]`)
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
