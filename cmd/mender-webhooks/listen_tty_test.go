//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
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

// end presses Ctrl-C, and checks that no line is longer than the screen.
func (s *screen) end() {
	s.t.Helper()
	_, _ = io.WriteString(s.tty, "\x03") // it may have ended already
	<-s.ended
	for line := range strings.Lines(s.shown.String()) {
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
		{device: "d-slow", key: "deadbeef", want: []string{"504 valid → app did not answer in time", "the application did not answer within 300ms", "raise --forward-timeout"}},
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
	for _, columns := range []int{70, 80, 100, 120, 200} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			t.Parallel()
			x := newTerminal(t)
			x.env = append(x.env, "MENDER_WEBHOOK_SECRET=deadbeef")
			for target, deliveries := range map[string][]delivery{app.URL: forwarded, gone.URL: refused} {
				s := x.start(columns, "listen", "--addr", "127.0.0.1:0", "--forward-to", target, "--forward-timeout", "300ms")
				s.until("press Ctrl-C to stop")
				url := regexp.MustCompile(`http://127[0-9.:]+`).FindString(s.shown.String())
				for _, d := range deliveries {
					d.send(t, url)
					for _, want := range d.want {
						if columns >= 120 { // the table has the event's id, and its whole type
							want = strings.Replace(want, "status-changed", "48919a10 device-status-changed", 1)
						}
						s.until(want)
					}
				}
				s.end()
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
