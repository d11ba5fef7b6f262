//go:build unix

package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/creack/pty"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// screen is a program that runs on a pseudo-terminal.
type screen struct {
	t       *testing.T
	command *exec.Cmd
	shown   *watched
	ended   chan struct{}
	tty     io.ReadWriteCloser
	columns int
}

// start starts the program on a terminal with a number of columns.
func (x *terminal) start(columns int, args ...string) *screen {
	x.t.Helper()
	command := exec.Command(x.program, append(args, "--no-color")...)
	command.Env = x.env
	tty, err := pty.StartWithSize(command, &pty.Winsize{Rows: 24, Cols: uint16(columns)}) //nolint:gosec // a few hundred
	if err != nil {
		x.t.Fatal(err)
	}
	s := &screen{t: x.t, command: command, shown: newWatched(), ended: make(chan struct{}), tty: tty, columns: columns}
	x.t.Cleanup(func() { _ = command.Process.Kill(); _ = tty.Close() })
	go func() {
		defer close(s.ended)
		_, _ = io.Copy(s.shown, tty) // it ends with an error when the program does
		_ = command.Wait()           // the screen is looked at, not the exit code
	}()
	return s
}

// until waits for a text on the screen, whatever its line breaks and spaces.
func (s *screen) until(text string) {
	s.t.Helper()
	words := strings.Fields(text)
	for i := range words {
		words[i] = regexp.QuoteMeta(words[i])
	}
	if _, err := s.shown.find(regexp.MustCompile(strings.Join(words, `\s+`)), s.ended); err != nil {
		s.t.Fatalf("%d columns: %v on the screen:\n%s", s.columns, err, s.shown)
	}
}

// end presses Ctrl-C, and checks that no line is longer than the screen. The terminal shows
// the key, and drops what it has not shown yet, even in the middle of a line.
func (s *screen) end() {
	s.t.Helper()
	_, _ = io.WriteString(s.tty, "\x03") // it may have ended already
	<-s.ended
	for line := range strings.Lines(strings.ReplaceAll(s.shown.String(), "^C", "\n")) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\r\n")); n > s.columns {
			s.t.Errorf("%d columns: a line of %d: %s", s.columns, n, line)
		}
	}
}

const ttyDevice = "769e5a83-259c-4506-ab05-9c2564f196fd"

// delivery is a request to a listener, and what its line has to say.
type delivery struct {
	device, method, key, header string
	body                        string
	want                        []string
}

func (d delivery) send(t *testing.T, url string) {
	t.Helper()
	body := d.body
	if body == "" {
		body = fmt.Sprintf(`{"id":"48919a10-2fbd-4ab4-8420-e2cb959938a4","type":"device-status-changed","data":{"id":%q,"status":"accepted"}}`, d.device)
	}
	method := d.method
	if method == "" {
		method = http.MethodPost
	}
	req, err := http.NewRequest(method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case d.header != "":
		req.Header.Set(webhook.HeaderSignature, d.header)
	case d.key != "":
		secret, err := webhook.ParseSecret(d.key)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(webhook.HeaderSignature, secret.Sign([]byte(body)))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}

// TestReasonsAreWholeOnATerminal shows each verdict and each kind of failed forwarding
// on screens of different widths.
func TestReasonsAreWholeOnATerminal(t *testing.T) {
	t.Parallel()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case bytes.Contains(body, []byte("d-401")):
			w.WriteHeader(http.StatusUnauthorized)
		case bytes.Contains(body, []byte("d-302")):
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusFound)
		case bytes.Contains(body, []byte("d-404")):
			w.WriteHeader(http.StatusNotFound)
		case bytes.Contains(body, []byte("d-500")):
			w.WriteHeader(http.StatusInternalServerError)
		case bytes.Contains(body, []byte("d-slow")):
			<-r.Context().Done()
		case bytes.Contains(body, []byte("d-cut")):
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(app.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	forwarded := []delivery{
		{device: ttyDevice, key: "deadbeef", want: []string{"200 valid → app 200 status-changed 769e5a83 accepted"}},
		{device: "d-401", key: "deadbeef", want: []string{"401 valid → app 401", "hint: your application rejected a valid signature"}},
		{device: "d-302", key: "deadbeef", want: []string{"valid → app 302", "redirects are not followed"}},
		{device: "d-404", key: "deadbeef", want: []string{"valid → app 404", "your application does not accept a POST at " + app.URL}},
		{device: "d-500", key: "deadbeef", want: []string{"valid → app 500", "your application's log"}},
		{device: "d-slow", key: "deadbeef", want: []string{"504 valid → app did not answer in time", "the application did not answer within 300ms", "raise the time limit"}},
		{device: "d-cut", key: "deadbeef", want: []string{"502 valid → app closed the connection", "cannot reach the application: EOF"}},
		{device: ttyDevice, key: "beefdead", want: []string{"401 invalid status-changed 769e5a83 accepted wrong secret or altered body", "hint: check that this is the webhook's current secret"}},
		{device: ttyDevice, key: "6465616462656566", want: []string{"signed with the secret's text instead of its bytes: decode the hex"}},
		{device: ttyDevice, header: "00", want: []string{"malformed signature: must be 64 hexadecimal digits"}},
		{device: ttyDevice, want: []string{"401 unsigned status-changed 769e5a83 accepted no signature: the webhook has no secret, or the sender is not Mender"}},
		{device: ttyDevice, method: http.MethodPut, want: []string{"405 rejected method not allowed: only POST is accepted"}},
		{body: "x", key: "deadbeef", want: []string{"400 rejected not an event: the body must be a JSON object with an id and a type"}},
	}
	refused := []delivery{{device: ttyDevice, key: "deadbeef", want: []string{
		"502 valid → app refused the connection", "connect: connection refused", "start your application",
	}}}
	unchecked := []delivery{
		{device: ttyDevice, key: "deadbeef", want: []string{"200 unchecked → app 200 status-changed 769e5a83 accepted"}},
		{device: "d-401", want: []string{"401 unchecked → app 401", "hint: your application rejected the event, and the signature was not checked here: pass --secret-file"}},
	}
	shown := []delivery{{device: ttyDevice, want: []string{"204 unchecked status-changed 769e5a83 accepted"}}}
	for _, columns := range screens() {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			t.Parallel()
			x := newTerminal(t)
			x.deliver(columns, unchecked, "--forward-to", app.URL, "--allow-unchecked")
			x.deliver(columns, shown)
			x.env = append(x.env, "MENDER_WEBHOOK_SECRET=deadbeef")
			x.deliver(columns, forwarded, "--forward-to", app.URL, "--forward-timeout", "300ms")
			x.deliver(columns, refused, "--forward-to", gone.URL)
		})
	}
}

// screens returns the widths of screens to test, in columns.
func screens() []int { return []int{70, 80, 100, 120, 200} }

// deliver sends the deliveries to listen with the flags, and checks the screen.
func (x *terminal) deliver(columns int, deliveries []delivery, flags ...string) {
	x.t.Helper()
	s := x.start(columns, append([]string{"listen", "--addr", "127.0.0.1:0"}, flags...)...)
	s.until("press Ctrl-C to stop")
	url := regexp.MustCompile(`http://127[0-9.:]+`).FindString(s.shown.String())
	for _, d := range deliveries {
		d.send(x.t, url)
		for _, want := range d.want {
			if columns >= 120 { // the table has the event's id, and its whole type
				want = strings.Replace(want, "status-changed", "48919a10 device-status-changed", 1)
			}
			s.until(want)
		}
	}
	s.end()
}

// TestFailedConnectionsOnATerminal shows why an application is not reached: the name,
// the certificate or the proxy is wrong.
func TestFailedConnectionsOnATerminal(t *testing.T) {
	t.Parallel()
	plain, secure := httptest.NewServer(http.NotFoundHandler()), httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // failed handshakes
	secure.StartTLS()
	_, port, _ := net.SplitHostPort(secure.Listener.Addr().String())
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	refusing := func(status int) (url, host string) {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(proxy.Close)
		return proxy.URL, strings.TrimPrefix(proxy.URL, "http://")
	}
	locked, lockedHost := refusing(http.StatusProxyAuthRequired)
	broken, brokenHost := refusing(http.StatusBadGateway)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	t.Cleanup(func() { plain.Close(); secure.Close() })
	const noProxy = "hint: add the application's host to NO_PROXY to reach it without the proxy"
	for _, test := range []struct {
		target string
		flags  []string
		env    string
		want   []string
	}{
		{"http://app.onion:3000", nil, "", []string{ // DNS is never asked for such a name, see RFC 7686
			"502 valid → app not found", "address app.onion: no suitable address found", "hint: correct the host in the URL to forward to",
		}},
		{secure.URL, nil, "", []string{
			"502 valid → app certificate not trusted", "certificate signed by unknown authority", "hint: trust the certificate's authority with --ca-cert FILE",
		}},
		{"https://localhost:" + port, []string{"--ca-cert", authority}, "", []string{
			"502 valid → app certificate for another name", "certificate is valid for example.com,", "not localhost",
			"hint: in the URL to forward to, use a name that the application's certificate was issued for",
		}},
		{strings.Replace(plain.URL, "http", "https", 1), nil, "", []string{
			"502 valid → app without TLS", "server gave HTTP response to HTTPS client", "hint: begin the URL to forward to with http://",
		}},
		{"http://app.example", nil, "HTTP_PROXY=" + gone.URL, []string{
			"502 valid → app: the proxy was not reached", "connect: connection refused", "hint: correct HTTP_PROXY or HTTPS_PROXY,",
		}},
		{"http://app.example", nil, "HTTP_PROXY=" + locked, []string{
			"502 valid → app: a proxy refused the request", "proxy " + lockedHost + " refused the connection: 407 Proxy Authentication Required", noProxy,
		}},
		{"https://app.example", nil, "HTTPS_PROXY=" + locked, []string{
			"502 valid → app: a proxy refused the request", "proxy " + lockedHost + " refused the connection: 407 Proxy Authentication Required", noProxy,
		}},
		{"http://app.example", nil, "HTTP_PROXY=" + broken, []string{
			"502 valid → app 502", "hint: check that your application is running: a proxy in front of it seems to have answered",
		}},
		{"https://app.example", nil, "HTTPS_PROXY=" + broken, []string{
			"502 valid → app: a proxy refused the request", "proxy " + brokenHost + " refused the connection: 502 Bad Gateway", noProxy,
		}},
	} {
		t.Run(test.target+" "+strings.ToLower(test.want[0]), func(t *testing.T) {
			t.Parallel()
			for _, columns := range screens() {
				x := newTerminal(t)
				x.env = append(x.env, "MENDER_WEBHOOK_SECRET=deadbeef", "GODEBUG=netdns=go", test.env)
				x.deliver(columns, []delivery{{device: ttyDevice, key: "deadbeef", want: test.want}}, append(test.flags, "--forward-to", test.target)...)
			}
		})
	}
}

// TestStoredEventsOnATerminal shows failed attempts to forward a stored event, and the
// dead letter that it becomes.
func TestStoredEventsOnATerminal(t *testing.T) {
	t.Parallel()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }))
	t.Cleanup(app.Close)
	x := newTerminal(t)
	x.env = append(x.env, "MENDER_WEBHOOK_SECRET=deadbeef")
	s := x.start(70, "listen", "--addr", "127.0.0.1:0", "--store", t.TempDir(), "--forward-to", app.URL)
	s.until("press Ctrl-C to stop")
	delivery{device: ttyDevice, key: "deadbeef"}.send(t, regexp.MustCompile(`http://127[0-9.:]+`).FindString(s.shown.String()))
	s.until("204 valid 48919a10 status-changed 769e5a83 accepted")
	s.until("→ app 410 48919a10 status-changed attempt 1,")
	s.until("the application answered 410 Gone")
	s.until("dead letter 48919a10 status-changed the application refused it: the application answered 410 Gone")
	s.end()
}

// TestVerboseOnATerminal shows a request whole, without its credentials, and without
// what would control the terminal.
func TestVerboseOnATerminal(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	x.env = append(x.env, "MENDER_WEBHOOK_SECRET=deadbeef")
	s := x.start(80, "listen", "--addr", "127.0.0.1:0", "--verbose")
	s.until("press Ctrl-C to stop")
	url := regexp.MustCompile(`http://127[0-9.:]+`).FindString(s.shown.String())
	req, err := http.NewRequest(http.MethodPost, url+"/hook?token=hunter2", strings.NewReader("{\"id\":\"\x1b[2J\"}\x1b]0;owned\a"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer hunter2hunter2")
	req.Header.Set("Cookie", "session=hunter2")
	req.Header.Set("X-Text", "caf\xe9")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	s.until("to /hook?token=***")
	s.until("Authorization: Bearer ***")
	s.until("Cookie: ***")
	s.until(`X-Text: caf\xe9`)
	s.until(`{"id":"\x1b[2J"}\x1b]0;owned\x07`)
	s.until("answered 401 after")
	delivery{device: ttyDevice, key: "deadbeef"}.send(t, url)
	s.until(`{ "id": "48919a10-2fbd-4ab4-8420-e2cb959938a4", "type": "device-status-changed", "data": {`)
	s.end()
	if shown := s.shown.String(); strings.Contains(shown, "hunter2") || strings.Contains(shown, "\x1b") || strings.Contains(shown, "\a") {
		t.Errorf("the screen shows a credential or an escape sequence:\n%q", shown)
	}
}
