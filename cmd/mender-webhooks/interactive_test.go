//go:build unix

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"golang.org/x/term"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// emulated is the program on an emulated terminal, whose screen the tests read.
type emulated struct {
	*terminal
	master, slave *os.File
	before        *term.State
	cmd           *exec.Cmd
	ended         chan struct{}

	mu      sync.Mutex
	screen  *vt.Emulator
	changed chan struct{}
}

func (x *terminal) emulate(args ...string) *emulated {
	x.t.Helper()
	e := &emulated{terminal: x, screen: vt.NewEmulator(80, 24), changed: make(chan struct{}, 1), ended: make(chan struct{})}
	var err error
	if e.master, e.slave, err = pty.Open(); err != nil {
		x.t.Fatal(err)
	}
	e.resize(80, 24)
	if e.before, err = term.GetState(int(e.slave.Fd())); err != nil {
		x.t.Fatal(err)
	}
	e.cmd = exec.Command(x.program, args...)
	e.cmd.Env = slices.Concat(x.env, []string{"TERM=xterm-256color"})
	e.cmd.Stdin, e.cmd.Stdout, e.cmd.Stderr = e.slave, e.slave, e.slave
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := e.cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	go func() {
		_ = e.cmd.Wait() // the tests check the exit code
		close(e.ended)
	}()
	go func() { _, _ = io.Copy(e.master, e.screen) }() // the terminal's answers, until it is closed
	go func() { _, _ = io.Copy(e, e.master) }()        // until the terminal is closed
	x.t.Cleanup(func() {
		_ = e.cmd.Process.Kill() // it may have ended already
		<-e.ended
		_, _ = e.slave.Close(), e.master.Close()
		if pipe, ok := e.screen.InputPipe().(io.Closer); ok { // Close of the emulator is not safe for concurrent use
			_ = pipe.Close()
		}
	})
	return e
}

// Write draws what the program writes.
func (e *emulated) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case e.changed <- struct{}{}:
	default:
	}
	return e.screen.Write(p)
}

// String returns the visible text.
func (e *emulated) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return ansi.Strip(e.screen.Render())
}

// until waits until the screen matches.
func (e *emulated) until(pattern string) []string {
	e.t.Helper()
	deadline := time.After(patience)
	for re := regexp.MustCompile(pattern); ; {
		if m := re.FindStringSubmatch(e.String()); m != nil {
			return m
		}
		select {
		case <-e.changed:
		case <-deadline:
			e.t.Fatalf("no %q on the screen:\n%s", pattern, e)
		}
	}
}

func (e *emulated) keys(keys string) {
	e.t.Helper()
	if _, err := e.master.WriteString(keys); err != nil {
		e.t.Fatal(err)
	}
}

func (e *emulated) resize(width, height uint16) {
	e.t.Helper()
	e.mu.Lock()
	e.screen.Resize(int(width), int(height))
	e.mu.Unlock()
	if err := pty.Setsize(e.master, &pty.Winsize{Rows: height, Cols: width}); err != nil {
		e.t.Fatal(err)
	}
}

// finish waits for the end of listen, and checks its exit code and that it restored
// the terminal.
func (e *emulated) finish(code int) {
	e.t.Helper()
	e.finishWith(code, `(?s)\Alistening on http://.*received: `)
}

// finishWith is like finish, for a command whose messages match the pattern.
func (e *emulated) finishWith(code int, messages string) {
	e.t.Helper()
	select {
	case <-e.ended:
	case <-time.After(patience):
		e.t.Fatalf("it does not end:\n%s", e)
	}
	if got := e.cmd.ProcessState.ExitCode(); got != code {
		e.t.Errorf("exit code %d, want %d:\n%s", got, code, e)
	}
	after, err := term.GetState(int(e.slave.Fd()))
	if err != nil {
		e.t.Fatal(err)
	}
	if *after != *e.before {
		e.t.Error("the terminal's settings are not restored")
	}
	e.until(messages) // outside of the alternate screen
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.screen.IsAltScreen() || e.screen.CursorHidden() {
		e.t.Errorf("alternate screen %t, cursor hidden %t", e.screen.IsAltScreen(), e.screen.CursorHidden())
	}
}

// application is a server that records the requests it gets.
func application(t *testing.T) (url string, requests chan string) {
	t.Helper()
	requests = make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- r.Header.Get("X-Men-Signature") + " " + string(body)
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

// send sends an event as Mender does; without a secret, it is unsigned.
func send(t *testing.T, to, body string, secret webhook.Secret, headers ...string) int {
	t.Helper()
	req, err := webhook.NewRequest(t.Context(), to, []byte(body), secret)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func eventBody(id, device, status string) string {
	return fmt.Sprintf(`{"id":%q,"type":"device-status-changed","data":{"id":%q,"status":%q},"time":"2026-11-23T09:00:00Z"}`, id, device, status)
}

// listenInteractive starts listen --interactive with a secret.
func listenInteractive(t *testing.T, args ...string) (e *emulated, url string, secret webhook.Secret) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hook.secret")
	if err := os.WriteFile(file, []byte("deadbeef"), 0o600); err != nil {
		t.Fatal(err)
	}
	secret, err := webhook.ParseSecret("deadbeef")
	if err != nil {
		t.Fatal(err)
	}
	e = newTerminal(t).emulate(append([]string{"listen", "-i", "--addr", "127.0.0.1:0", "--secret-file", file}, args...)...)
	return e, "http://" + e.until(`listening on (127\.0\.0\.1:\d+)`)[1] + "/hook", secret
}

func TestInteractiveShowsAndReplaysRequests(t *testing.T) {
	t.Parallel()
	app, requests := application(t)
	e, url, secret := listenInteractive(t, "--forward-to", app)
	e.until("no requests yet")
	body := eventBody("e1", "769e5a83-259c-4506-ab05-9c2564f196fd", "accepted")
	if code := send(t, url, body, secret, "Authorization", "Bearer topsecret"); code != 200 {
		t.Errorf("answered %d", code)
	}
	first := <-requests
	e.until(`> \d\d:\d\d:\d\d 200  valid     status accepted +769e5a83 application 200`)
	if code := send(t, url, eventBody("e2", "d2", "rejected"), webhook.Secret{}); code != 401 {
		t.Errorf("answered %d", code)
	}
	e.until(`401  unsigned  status rejected`)

	e.keys("vv") // only invalid ones
	e.until(`no request matches the filter`)
	e.keys("\x1b")
	e.until(`401  unsigned`)
	e.keys("/ACCEPTED\r")
	e.until(`only with "ACCEPTED"\s`)
	if screen := e.String(); strings.Contains(screen, "unsigned  status") || !strings.Contains(screen, "valid     status accepted") {
		t.Errorf("the filter shows:\n%s", screen)
	}

	e.keys("\r")
	e.until(`(?s)device-status-changed e1.*valid: answered 200.*"status": "accepted"`)
	e.keys("G")
	e.until(`Authorization: Bearer \*\*\*`)
	e.keys("r")
	e.until(`sent again: http://127\.0\.0\.1:\d+ answered 200 after`)
	if again := <-requests; again != first || !strings.HasSuffix(first, body) {
		t.Errorf("the application got\n%s\nand then\n%s", first, again)
	}

	e.keys("\x1b")
	e.until("VERDICT")
	e.keys("\x1b") // removes the filter
	e.until("unsigned  status")
	e.keys("gr") // the newest
	e.until(`not sent: the request was refused`)
	e.keys("?")
	e.until(`(?s)Help.*send the request to the application again`)
	e.keys("q")
	e.finish(0)
	e.until("received: 1 valid, 1 unsigned")
	if len(requests) != 0 {
		t.Errorf("the application got more: %s", <-requests)
	}
}

func TestInteractiveEndsLikeListen(t *testing.T) {
	t.Parallel()
	e, _, _ := listenInteractive(t)
	e.keys("\x03")
	e.finish(0)

	e, _, _ = listenInteractive(t)
	if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	e.finish(0)

	e, url, secret := listenInteractive(t, "--exit-after", "1")
	send(t, url, eventBody("e1", "d1", "accepted"), secret)
	e.finish(0)
}

func TestInteractiveEscapesHostileText(t *testing.T) {
	t.Parallel()
	e, url, _ := listenInteractive(t)
	send(t, url, "{\"id\":\"\\u001b[2J\\u202e\",\"type\":\"\\u001b]0;owned\\u0007\"}", webhook.Secret{}, "X-Note", "\u202eevil")
	e.until(`\\x1b\]0;owned\\x07`)
	e.keys("\r")
	e.until(`(?s)\\x1b\[2J\\u202e`)
	e.keys("G")
	e.until(`\\u202eevil`)
	e.keys("q")
	e.finish(0)
}

func TestInteractiveFitsAnyScreen(t *testing.T) {
	t.Parallel()
	e, url, secret := listenInteractive(t)
	send(t, url, eventBody("e1", "769e5a83-259c-4506-ab05-9c2564f196fd", "accepted"), secret)
	e.until(`204  valid`)
	for _, size := range [][2]uint16{{40, 12}, {20, 3}, {5, 1}, {200, 60}, {40, 12}} {
		e.resize(size[0], size[1])
		e.keys("?m")
	}
	e.until(`Messages`)
	e.keys("\x1b")
	e.until(`> \d\d:\d\d:\d\d 204  valid +status accept…`)
	e.keys("\r")
	e.until(`(?s)device-status-changed e1`)
	e.keys("q")
	e.finish(0)
}

// TestInteractiveDoesNotWaitForTheTerminal stops reading the terminal. Events are
// answered, and a signal still ends the program.
func TestInteractiveDoesNotWaitForTheTerminal(t *testing.T) {
	t.Parallel()
	e, url, secret := listenInteractive(t)
	e.mu.Lock()
	defer e.mu.Unlock()
	for n := range 2000 { // far more than the terminal's buffer takes
		if code := send(t, url, eventBody(fmt.Sprint("e", n), fmt.Sprint(n), "accepted"), secret); code != 204 {
			t.Fatalf("event %d was answered with %d", n, code)
		}
		if n%100 == 0 { // draws the whole screen again
			if err := pty.Setsize(e.master, &pty.Winsize{Rows: 60, Cols: uint16(150 + n/100)}); err != nil { //nolint:gosec // small
				t.Fatal(err)
			}
		}
	}
	if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-e.ended:
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	if code := e.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestInteractiveShowsAttemptsFromTheStore(t *testing.T) {
	t.Parallel()
	app, requests := application(t)
	e, url, secret := listenInteractive(t, "--forward-to", app, "--store", t.TempDir())
	if code := send(t, url, eventBody("e1", "d1", "accepted"), secret); code != 204 {
		t.Errorf("answered %d", code)
	}
	<-requests
	e.until(`204  valid     status accepted +d1 +application 200`)
	e.until(`received: 1 valid; 0 waiting, 0 dead letters`)
	e.keys("\r")
	e.until(`(?s)Forwarding.*application 200, attempt 1, `)
	e.keys("r")
	e.until(`sent again: .* answered 200`)
	<-requests
	e.keys("p\x03")
	e.finish(0)
}

func TestInteractiveShowsEventsOfTheLog(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	var answer atomic.Int64
	answer.Store(204)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(answer.Load())) }))
	t.Cleanup(func() { receiver.Close() })
	if screen, code := x.run("", "", "create", "--url", receiver.URL, "--no-secret"); code != 0 {
		t.Fatal(screen)
	}
	e := x.emulate("activity", "-f", "-i", "--interval", "100ms", "--resume", filepath.Join(t.TempDir(), "place.json"))
	e.until(`(?s)activity on http://127\.0\.0\.1:.*no events yet`)
	x.setDeviceStatus("accepted")
	e.until(`> \d\d-\d\d \d\d:\d\d:\d\d 204  delivered status accepted +769e5a83\s`)
	answer.Store(500)
	x.setDeviceStatus("rejected")
	e.until(`> .{14} 500  failed    status rejected +769e5a83 \S`)
	e.until(`events: 1 delivered, 1 failed\s`)

	e.keys("vv")
	e.until(`only failed`)
	if screen := e.String(); strings.Contains(screen, "status accepted") || !strings.Contains(screen, "status rejected") {
		t.Errorf("the filter shows:\n%s", screen)
	}
	e.keys("\r")
	e.until(`(?s)device-status-changed [0-9a-f-]{36}.*\nfailed.*device 769e5a83-259c-4506-ab05-9c2564f196fd, logged at .*` +
		`delivery to integration [0-9a-f-]{36}: 500, failed: .*"status": "rejected"`)
	e.keys("\x1b")
	e.until("DELIVERY")
	e.keys("\x1b") // removes the filter
	e.until("status accepted")
	receiver.Close()
	x.setDeviceStatus("noauth")
	e.until(`status noauth`)
	e.keys("g") // the newest
	e.until(`> .{14} -    failed    status noauth +769e5a83 .*…\n {4}.*dial tcp 127\.0\.0\.1:\d+: connect:\s+connection refused\s`)
	e.keys("q")
	e.finishWith(0, `\A\s*\z`)

	receiver = httptest.NewServer(receiver.Config.Handler)
	answer.Store(404)
	e = x.emulate("activity", "-f", "-i", "--forward-to", receiver.URL, "--forward-secret-file", filepath.Join(t.TempDir(), "app.secret"))
	e.until(`forwarding to http://127\.0\.0\.1:`)
	e.until(`500  failed `)
	e.until(`warning: the application refused event [0-9a-f-]{36} \(st`) // one line
	e.keys("m")
	e.until(`(?s)Messages.*warning: the application refused`)
	if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	e.finishWith(0, `(?s)\Acreated a secret .*forwarding to .*warning: the application refused`)

	// A refused token is reported without a screen.
	for i, v := range x.env {
		if strings.HasPrefix(v, "MENDER_SERVER_ACCESS_TOKEN=") {
			x.env[i] += "x"
		}
	}
	e = x.emulate("activity", "-f", "-i")
	e.finishWith(4, `(?s)\Aerror: read the events: 401 Unauthorized.*hint: .*login.\s*\z`)
}

// setDeviceStatus changes a device in the sandbox, which makes an event.
func (x *terminal) setDeviceStatus(status string) {
	x.t.Helper()
	server := ""
	for _, v := range x.env {
		if url, ok := strings.CutPrefix(v, "MENDER_SERVER_URL="); ok {
			server = url
		}
	}
	req, err := http.NewRequestWithContext(x.t.Context(), http.MethodPut, server+"/api/internal/v1/iot-manager/tenants//bulk/devices/status/"+status,
		strings.NewReader(`[{"id":"769e5a83-259c-4506-ab05-9c2564f196fd"}]`))
	if err != nil {
		x.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		x.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		x.t.Fatal(resp.Status)
	}
}
