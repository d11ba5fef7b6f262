package exectarget_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/exectarget"
)

// TestMain runs the tests or, if a Target has started this file, the program that
// the event's type names.
func TestMain(m *testing.M) {
	if typ, ok := os.LookupEnv("MENDER_EVENT_TYPE"); ok {
		os.Exit(program(typ)) //nolint:forbidigo // this process is the program
	}
	m.Run()
}

func program(typ string) int {
	if len(os.Args) == 3 && os.Args[1] == "grandchild" {
		connectAndHang(os.Args[2])
	}
	if code, ok := strings.CutPrefix(typ, "exit-"); ok {
		n, _ := strconv.Atoi(code)
		return n
	}
	body, _ := io.ReadAll(os.Stdin)
	switch typ {
	case "echo":
		fmt.Fprintf(os.Stdout, "%d %q\n", len(body), body[:min(len(body), 100)])
	case "environment":
		for _, variable := range os.Environ() {
			fmt.Fprintf(os.Stdout, "%s\n", variable)
		}
	case "arguments":
		fmt.Fprintf(os.Stdout, "%q\n", os.Args[1:])
	case "hang":
		select {}
	case "die":
		self, _ := os.FindProcess(os.Getpid())
		_ = self.Kill()
		select {}
	case "fork", "fork-and-hang":
		child := exec.Command(os.Args[0], "grandchild", string(body))
		child.Stdout = os.Stdout // it keeps the output open
		if err := child.Start(); err != nil {
			return 1
		}
		if typ == "fork-and-hang" {
			select {}
		}
		// Otherwise it leaves the grandchild running.
		connectAndWait(string(body))
	case "flood":
		for range 5_000 {
			fmt.Fprintln(os.Stdout, strings.Repeat("x", 1000))
		}
	case "flood-forever":
		for {
			fmt.Fprintln(os.Stderr, strings.Repeat("z", 1000))
		}
	case "flood-without-a-newline":
		for range 1_000 {
			fmt.Fprint(os.Stdout, strings.Repeat("y", 10_000))
		}
	case "complain":
		fmt.Fprintln(os.Stdout, "looking it up")
		fmt.Fprintln(os.Stderr, "no such queue: \x1b[31mred")
		fmt.Fprintln(os.Stdout)
		return 3
	}
	return 0
}

// connectAndHang connects to the test. The connection ends with the process.
func connectAndHang(addr string) {
	c, err := net.Dial("tcp", addr)
	if err == nil {
		_, _ = c.Write([]byte("child\n"))
		_, _ = io.Copy(io.Discard, c) // keeps c open
	}
	select {}
}

// connectAndWait returns once the test closes the connection.
func connectAndWait(addr string) {
	c, err := net.Dial("tcp", addr)
	if err == nil {
		_, _ = c.Write([]byte("parent\n"))
		_, _ = io.Copy(io.Discard, c)
	}
}

// patience is how long to wait for something that a correct program does at once.
const patience = 30 * time.Second

// log collects lines.
type log struct {
	mu   sync.Mutex
	text []string
}

func (l *log) logf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, fmt.Sprintf(format, args...))
}

func (l *log) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.text)
}

func open(t *testing.T, o exectarget.Options) *exectarget.Target {
	t.Helper()
	if o.Program == "" {
		var err error
		if o.Program, err = os.Executable(); err != nil {
			t.Fatal(err)
		}
	}
	if o.Timeout == 0 {
		o.Timeout = patience
	}
	app, err := exectarget.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Close() })
	return app
}

func event(typ string, body string) target.Event {
	return target.Event{ID: "e-1", Type: typ, Body: []byte(body)}
}

func TestExitCodesDecide(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ deadOn, dead []int }{
		{nil, []int{65}},
		{[]int{}, nil},
		{[]int{2, 64, 255}, []int{2, 64, 255}},
	} {
		app := open(t, exectarget.Options{DeadOn: test.deadOn})
		for _, code := range []int{0, 1, 2, 64, 65, 66, 126, 127, 137, 255} {
			r := app.Deliver(t.Context(), event(fmt.Sprint("exit-", code), "{}"))
			if (r.Err == nil) != (code == 0) || r.Permanent != slices.Contains(test.dead, code) || r.Skipped {
				t.Errorf("dead on %v, exit code %d: %+v", test.deadOn, code, r)
			}
			if code != 0 && r.Err.Error() != fmt.Sprintf("exit code %d", code) {
				t.Errorf("exit code %d: %v", code, r.Err)
			}
		}
	}
}

func TestArgumentsArePassedAsTheyAre(t *testing.T) {
	t.Parallel()
	var l log
	args := []string{"--to", "a b", "$HOME;`id`", "", "ü\n"}
	app := open(t, exectarget.Options{Args: args, Logf: l.logf})
	args[0] = "changed later"
	if r := app.Deliver(t.Context(), event("arguments", "{}")); r.Err != nil {
		t.Fatal(r.Err)
	}
	want := `["--to" "a b" "$HOME;` + "`id`" + `" "" "ü\n"]`
	if got := l.lines(); len(got) != 1 || !strings.HasSuffix(got[0], ": "+want) {
		t.Errorf("got %q, want %s", got, want)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]exectarget.Options{
		`"" is not the name of an environment variable`:                               {Env: []string{""}},
		`"A=b" is not the name of an environment variable`:                            {Env: []string{"HOME", "A=b"}},
		"the variable MENDER_EVENT_ID cannot be passed: it is set from the event":     {Env: []string{"MENDER_EVENT_ID"}},
		"the variable mender_header_proxy cannot be passed: it is set from the event": {Env: []string{"mender_header_proxy"}},
		"invalid exit code 0: must be at least 1 and at most 255":                     {DeadOn: []int{65, 0}},
		"invalid exit code 256: must be at least 1 and at most 255":                   {DeadOn: []int{256}},
		"an argument has a NUL character":                                             {Args: []string{"a", "\x00"}},
	} {
		o.Program = self
		if _, err := exectarget.New(o); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestProgramGetsTheExactBody(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("0123456789", 100_000) // more than a pipe holds
	for _, body := range []string{"", "{\"id\": \"ü\"}\r\n\x00", large} {
		var l log
		r := open(t, exectarget.Options{Logf: l.logf}).Deliver(t.Context(), event("echo", body))
		want := fmt.Sprintf("%d %q", len(body), body[:min(len(body), 100)])
		if got := l.lines(); r.Err != nil || len(got) != 1 || !strings.HasSuffix(got[0], ", event e-1: "+want) {
			t.Errorf("%v, logged %q, want %q", r.Err, got, want)
		}
	}
	// A program that does not read a large body is not a failure.
	if r := open(t, exectarget.Options{}).Deliver(t.Context(), event("exit-0", large)); r.Err != nil {
		t.Error(r.Err)
	}
}

func TestEnvironmentHasTheEventAndNothingElse(t *testing.T) {
	t.Setenv("MENDER_SERVER_ACCESS_TOKEN", "topsecret")
	t.Setenv("LD_PRELOAD_LIKE", "x")
	t.Setenv("TZ", "Europe/Oslo")
	t.Setenv("TICKETS_TOKEN", "for the program")
	var l log
	e := event("environment", `{"id":"e-1","type":"environment","data":{"id":"d-1\u0000\nPATH=/evil","status":"accepted"}}`)
	e.ID = strings.Repeat("i", 5000)
	e.Header = http.Header{
		"X-Men-Signature": {"abc\r\nX: y"}, "Content-Type": {"application/json"}, "Proxy": {"http://evil"},
		target.HeaderRebuilt: {"1"}, "X-Men-Other": {"z"},
	}
	app := open(t, exectarget.Options{Logf: l.logf, Env: []string{"TICKETS_TOKEN", "TZ", "NOT_SET_ANYWHERE"}})
	if r := app.Deliver(t.Context(), e); r.Err != nil {
		t.Fatal(r.Err)
	}
	var got []string
	for _, line := range l.lines() {
		_, variable, _ := strings.Cut(line, ": ")
		name, value, _ := strings.Cut(variable, "=")
		switch name {
		case "PATH", "HOME", "LANG", "SYSTEMROOT", "GOCOVERDIR":
			continue
		case "MENDER_EVENT_ID":
			if value = strings.ReplaceAll(value, "i", ""); value != "" {
				t.Errorf("the id has %q", value)
			}
			continue
		}
		got = append(got, variable)
	}
	slices.Sort(got)
	want := []string{
		"MENDER_EVENT_DEVICE=d-1PATH=/evil", "MENDER_EVENT_STATUS=accepted", "MENDER_EVENT_TYPE=environment",
		"MENDER_HEADER_CONTENT_TYPE=application/json", "MENDER_HEADER_X_MENDER_WEBHOOKS_REBUILT=1",
		"MENDER_HEADER_X_MEN_SIGNATURE=abcX: y", "TICKETS_TOKEN=for the program", "TZ=Europe/Oslo",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestProgramThatHangsIsEnded(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"hang", "flood-forever"} {
		var l log
		app := open(t, exectarget.Options{Timeout: 300 * time.Millisecond, Logf: l.logf})
		r := app.Deliver(t.Context(), event(typ, "{}"))
		if !errors.Is(r.Err, context.DeadlineExceeded) || !strings.Contains(r.Err.Error(), "did not end within 300ms") || r.Permanent {
			t.Errorf("%s: %+v", typ, r)
		}
		if n := len(l.lines()); n > 21 {
			t.Errorf("%s: logged %d lines", typ, n)
		}
	}
}

// A timeout ends the processes that the program has started, too.
func TestTimeoutEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	children := listenFor(t)
	app := open(t, exectarget.Options{Timeout: time.Second})
	for range 10 { // on a slow machine, the timeout may come before the grandchild
		if r := app.Deliver(t.Context(), event("fork-and-hang", children.addr)); !errors.Is(r.Err, context.DeadlineExceeded) {
			t.Errorf("%+v", r)
		}
		if children.connected("child") {
			break
		}
	}
	children.expectEnd(t, "child")
}

func TestStopEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	children := listenFor(t)
	ctx, stop := context.WithCancel(t.Context())
	results := make(chan target.Result, 1)
	app := open(t, exectarget.Options{})
	go func() { results <- app.Deliver(ctx, event("fork-and-hang", children.addr)) }()
	children.await(t, "child")
	stop()
	if r := <-results; !errors.Is(r.Err, context.Canceled) {
		t.Errorf("stopped: %v", r.Err)
	}
	children.expectEnd(t, "child")
}

// A process that the program left behind does not delay the result, although it
// has the output open, and does not survive.
func TestNoProcessIsLeftBehind(t *testing.T) {
	t.Parallel()
	children := listenFor(t)
	results := make(chan target.Result, 1)
	app := open(t, exectarget.Options{})
	go func() { results <- app.Deliver(t.Context(), event("fork", children.addr)) }()
	children.await(t, "child")
	_ = children.await(t, "parent").Close() // now the program ends
	select {
	case r := <-results:
		if r.Err != nil {
			t.Error(r.Err)
		}
	case <-time.After(patience):
		t.Fatal("it waits for the grandchild")
	}
	children.expectEnd(t, "child")
}

func TestKilledProgramIsRetried(t *testing.T) {
	t.Parallel()
	// A signal is not an exit code, although shells report it as 128 and its number.
	r := open(t, exectarget.Options{DeadOn: []int{137}}).Deliver(t.Context(), event("die", "{}"))
	if r.Err == nil || r.Permanent {
		t.Errorf("killed: %+v", r)
	}
	if runtime.GOOS != "windows" && r.Err.Error() != "the program ended: signal: killed" {
		t.Error(r.Err)
	}
}

func TestMissingProgramIsRetried(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), filepath.Base(self))
	if err := os.Symlink(self, copied); err != nil {
		t.Skip(err)
	}
	app := open(t, exectarget.Options{Program: copied})
	if r := app.Deliver(t.Context(), event("exit-0", "{}")); r.Err != nil {
		t.Fatal(r.Err)
	}
	if err := os.Remove(copied); err != nil {
		t.Fatal(err)
	}
	r := app.Deliver(t.Context(), event("exit-0", "{}"))
	if !errors.Is(r.Err, os.ErrNotExist) && r.Err == nil || r.Permanent {
		t.Errorf("missing: %+v", r)
	}
	if _, err := exectarget.New(exectarget.Options{Program: copied}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("New: %v", err)
	}
}

// A program that exists but cannot be started is an operator's mistake: the event
// waits until it is corrected.
func TestProgramThatCannotBeStartedIsRetried(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("it has no interpreters and no permission to execute")
	}
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/no/such/interpreter\n"), 0o700); err != nil { //nolint:gosec // it must be executable
		t.Fatal(err)
	}
	app := open(t, exectarget.Options{Program: path})
	r := app.Deliver(t.Context(), event("exit-0", "{}"))
	if !errors.Is(r.Err, os.ErrNotExist) || r.Permanent || r.Skipped {
		t.Errorf("without its interpreter: %+v", r)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := app.Deliver(t.Context(), event("exit-0", "{}")); !errors.Is(r.Err, os.ErrPermission) || r.Permanent {
		t.Errorf("not executable: %+v", r)
	}
	if _, err := exectarget.New(exectarget.Options{Program: path}); !errors.Is(err, os.ErrPermission) {
		t.Errorf("New: %v", err)
	}
}

func TestOutputIsLimitedAndHarmless(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"flood", "flood-without-a-newline"} {
		var l log
		if r := open(t, exectarget.Options{Logf: l.logf}).Deliver(t.Context(), event(typ, "{}")); r.Err != nil {
			t.Errorf("%s: %v", typ, r.Err)
		}
		got := l.lines()
		if len(got) > 21 || len(strings.Join(got, "")) > 15_000 {
			t.Errorf("%s: logged %d lines of %d bytes", typ, len(got), len(strings.Join(got, "")))
		}
		if typ == "flood" && !strings.HasSuffix(got[len(got)-1], ": 4980 more lines of output not logged") {
			t.Errorf("last: %s", got[len(got)-1])
		}
	}
	var l log
	r := open(t, exectarget.Options{Logf: l.logf}).Deliver(t.Context(), event("complain", "{}"))
	if want := `exit code 3: no such queue: \x1b[31mred`; r.Err == nil || r.Err.Error() != want {
		t.Errorf("got %v, want %s", r.Err, want)
	}
	if got := l.lines(); len(got) != 2 || !strings.HasSuffix(got[0], ": looking it up") {
		t.Errorf("logged %q", got)
	}
}

// children are connections from processes, by what they sent.
type children struct {
	addr string
	mu   sync.Mutex
	conn map[string]net.Conn
	news chan struct{}
}

func listenFor(t *testing.T) *children {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c := &children{addr: l.Addr().String(), conn: map[string]net.Conn{}, news: make(chan struct{}, 10)}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			name, _ := bufio.NewReader(conn).ReadString('\n')
			c.mu.Lock()
			c.conn[strings.TrimSpace(name)] = conn
			c.mu.Unlock()
			c.news <- struct{}{}
		}
	}()
	return c
}

// connected reports whether there has been a connection.
func (c *children) connected(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn[name] != nil
}

// await waits for a connection.
func (c *children) await(t *testing.T, name string) net.Conn {
	t.Helper()
	for limit := time.After(patience); ; {
		c.mu.Lock()
		conn := c.conn[name]
		c.mu.Unlock()
		if conn != nil {
			return conn
		}
		select {
		case <-c.news:
		case <-limit:
			t.Fatalf("no connection from %s", name)
		}
	}
}

// expectEnd waits until a process has ended.
func (c *children) expectEnd(t *testing.T, name string) {
	t.Helper()
	conn := c.await(t, name)
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	var timeout net.Error
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("%s is still running: %v", name, err)
	}
}
