// Package browser tests the page of `listen --inspect` in a real browser:
// Chromium, headless. Without one, the tests are skipped.
package browser

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// picture is the file for the screenshot in the docs.
var picture = flag.String("picture", "", "write a screenshot to this file")

// program is the binary under test, built once.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "browser")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "mender-webhooks")
	build := exec.Command("go", "build", "-o", program, "./cmd/mender-webhooks")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v\n%s", err, out))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

const key = "deadbeef"

// delivery is a request that the application received.
type delivery struct {
	header http.Header
	body   string
}

// setup is a running listener with an application, and a browser that shows its
// page.
type setup struct {
	t         *testing.T
	ctx       context.Context // the browser's tab
	events    string          // URL of the listener
	page      string          // URL of the page
	forwarded chan delivery
	answer    atomic.Int64 // the application's status
}

func start(t *testing.T, flags ...string) *setup {
	t.Helper()
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed")
	}
	s := &setup{t: t, forwarded: make(chan delivery, 100)}
	s.answer.Store(http.StatusOK)
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(int(s.answer.Load()))
		s.forwarded <- delivery{r.Header, string(body)}
	}))
	t.Cleanup(application.Close)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hook.secret"), []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	s.listen(dir, append([]string{"--forward-to", application.URL}, flags...))
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.WindowSize(1100, 760))
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(stop)
	ctx, stopBrowser := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stopBrowser)
	s.ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	s.do(chromedp.Navigate(s.page))
	s.await(`document.getElementById("state").textContent === "connected"`)
	return s
}

// listen runs the program until the test ends, and reads its addresses.
func (s *setup) listen(dir string, flags []string) {
	s.t.Helper()
	args := append([]string{
		"listen", "--addr", "127.0.0.1:0", "--secret-file", "hook.secret", "-o", "none",
		"--inspect=127.0.0.1:0", "--inspect-edit",
	}, flags...)
	command := exec.Command(program, args...)
	command.Dir, command.Env = dir, []string{"HOME=" + dir, "TMPDIR=" + dir}
	stderr, err := command.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		s.t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	s.t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		for lines.Scan() {
		}
		if err := command.Wait(); err != nil {
			s.t.Error(err)
		}
	})
	for s.events == "" && lines.Scan() {
		if _, file, ok := strings.Cut(lines.Text(), "its URL is in "); ok {
			url, err := os.ReadFile(strings.TrimSuffix(file, `"`)) // the log quotes its messages
			if err != nil {
				s.t.Fatal(err)
			}
			s.page = strings.TrimSpace(string(url))
		}
		if _, rest, ok := strings.Cut(lines.Text(), "listening on "); ok {
			s.events, _, _ = strings.Cut(rest, ";")
		}
	}
	if s.events == "" || s.page == "" {
		s.t.Fatal("listen has not started")
	}
}

func (s *setup) do(steps ...chromedp.Action[chromedp.Void]) {
	s.t.Helper()
	if err := chromedp.Do(s.ctx, steps...); err != nil {
		s.t.Fatal(err)
	}
}

// await waits until a JavaScript expression is true. It does not use Poll, which
// the page's content security policy forbids.
func (s *setup) await(expression string) {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ok, err := chromedp.Run(s.ctx, chromedp.Evaluate[bool](expression))
		if err == nil && ok {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("not true in time: %s (%v)", expression, err)
		}
	}
}

// text returns the value of a JavaScript expression.
func (s *setup) text(expression string) string {
	s.t.Helper()
	text, err := chromedp.Run(s.ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// filter sets a field of the filters.
func (s *setup) filter(id, value string) {
	s.t.Helper()
	s.text(fmt.Sprintf(`(() => { const e = document.getElementById(%q); e.value = %q; e.dispatchEvent(new Event("input", {bubbles: true})); return "" })()`, id, value))
}

func sign(body string) string {
	raw, _ := hex.DecodeString(key)
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// deliver sends an event, signed unless signature is given.
func (s *setup) deliver(body string, signature ...string) {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.events, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Men-Algorithm", "MEN-HMAC-SHA256-Payload")
	req.Header.Set("Authorization", "Bearer topsecret")
	if len(signature) == 0 {
		signature = []string{sign(body)}
	}
	if signature[0] != "" {
		req.Header.Set("X-Men-Signature", signature[0])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = resp.Body.Close()
}

func event(id, device, status string) string {
	return fmt.Sprintf(`{"id":%q,"type":"device-status-changed","data":{"id":%q,"status":%q},"time":"2026-11-23T09:00:00Z"}`, id, device, status)
}

const (
	rows     = `document.querySelectorAll("#requests li").length`
	details  = `document.getElementById("details").textContent`
	firstRow = `#requests li:first-child`
)

func TestAnEventIsShownReplayedAndEdited(t *testing.T) {
	s := start(t)
	before, after := event("e1", "d1", "pending"), event("e2", "d1", "accepted")
	s.deliver(before)
	s.deliver(after)
	<-s.forwarded
	original := <-s.forwarded
	s.await(rows + ` === 2`)
	s.do(chromedp.Click(firstRow))
	s.await(details + `.includes("X-Men-Signature") && document.getElementById("difference").textContent.includes('"status": "pending"')`)
	if text := s.text(details); !strings.Contains(text, "Bearer ***") || strings.Contains(text, "topsecret") || !strings.Contains(text, "valid → application 200") {
		t.Error(text)
	}

	s.do(chromedp.Click("#replay"))
	if again := <-s.forwarded; again.body != original.body || again.header.Get("X-Men-Signature") != sign(after) {
		t.Errorf("%+v", again)
	}
	s.await(`document.getElementById("result").textContent.includes("answered 200")`)

	edited := event("e3", "d1", "rejected")
	s.do(chromedp.Click("#edit"), chromedp.WaitVisible("#edited"), chromedp.SetValue("#edited", edited), chromedp.Click("#send-edited"))
	if got := <-s.forwarded; got.body != edited || got.header.Get("X-Men-Signature") != sign(edited) || got.header.Get("X-Mender-Webhooks-Edited") == "" {
		t.Errorf("%+v", got)
	}
}

func TestTheListIsFilteredAndUsedByKeys(t *testing.T) {
	s := start(t)
	s.deliver(event("e1", "d1", "accepted"))
	s.deliver(event("e2", "d2", "accepted"))
	s.deliver(event("e3", "d3", "accepted"), "")
	s.await(rows + ` === 3`)
	s.filter("verdict", "unsigned")
	s.await(rows + ` === 1`)
	s.filter("verdict", "")
	s.do(chromedp.SendKeys("#requests", "/"))
	s.await(`document.activeElement.id === "text"`)
	s.filter("text", "d2")
	s.await(rows + ` === 1 && document.querySelector("#requests li").textContent.includes("d2")`)
	s.filter("text", "")
	s.await(rows + ` === 3`)
	s.do(chromedp.SendKeys("#requests", "jj"))
	s.await(`document.querySelectorAll("#requests li")[1].getAttribute("aria-selected") === "true"`)
	s.await(details + `.includes("e2")`)
	if strings.Contains(s.text(details), "null") {
		t.Error(s.text(details))
	}
}

func TestTextFromOutsideIsNeverMarkup(t *testing.T) {
	s := start(t)
	const attack = `<img src=x onerror='window.attacked=1'><script>window.attacked=1</script>`
	s.deliver(event("e1", attack, attack))
	s.deliver(attack, "")
	s.deliver(event("e2", "\x1b[2J\u202e", strings.Repeat("x", 1000_000)))
	s.await(rows + ` === 3`)
	for n := 1; n <= 3; n++ {
		s.do(chromedp.Click(fmt.Sprintf("#requests li:nth-child(%d)", n)))
		s.await(`document.getElementById("body") !== null && document.querySelectorAll("#requests li")[` + fmt.Sprint(n-1) + `].getAttribute("aria-selected") === "true"`)
	}
	s.await(details + `.includes("<script>window.attacked=1</script>")`)
	if s.text(`String(window.attacked)+document.querySelectorAll("main img, main script").length`) != "undefined0" {
		t.Error("markup from outside is part of the page")
	}
	if s.text(`location.hash`) != "" {
		t.Error("the token is still in the address bar")
	}
}

// TestRowsStayWhileThePageIsDrawn checks that a row remains the same element, since a click is
// lost if its row is replaced while the button is down.
func TestRowsStayWhileThePageIsDrawn(t *testing.T) {
	s := start(t)
	s.deliver(event("e1", "d1", "accepted"))
	s.await(rows + ` === 1`)
	s.text(`window.row = document.querySelector("#requests li"), ""`)
	s.deliver(event("e2", "d1", "rejected"))
	s.await(rows + ` === 2`)
	s.await(`(window.drawn ??= depths.length) + 1 < depths.length`)
	s.filter("text", "e1")
	s.await(rows + ` === 1`)
	s.filter("text", "")
	s.await(rows + ` === 2`)
	if s.text(`String(document.querySelector("#requests li:last-child") === window.row)`) != "true" {
		t.Error("the row was replaced")
	}
}

func TestADeadLetterIsRetried(t *testing.T) {
	s := start(t, "--store", "queue", "--dead-on", "410")
	s.answer.Store(http.StatusGone)
	s.deliver(event("e1", "d1", "accepted"))
	<-s.forwarded
	s.await(`document.getElementById("totals").textContent.includes("1 dead letters")`)
	if s.text(`String(document.getElementById("queue-chart").hidden)`) != "false" {
		t.Error("the chart of the queue is hidden")
	}
	s.await(`document.querySelectorAll("#waiting polyline").length === 2`) // depth and age
	s.do(chromedp.Click(firstRow))
	s.await(details + `.includes("attempt 1")`)
	s.do(chromedp.Click(".answer"))
	s.await(details + `.includes("Content-Length")`)
	s.answer.Store(http.StatusOK)
	s.do(chromedp.Click("#queue-button"))
	s.await(details + `.includes("410")`)
	s.do(chromedp.Click(`//button[text()="Retry"]`))
	if got := <-s.forwarded; got.body != event("e1", "d1", "accepted") {
		t.Error(got.body)
	}
	s.await(`document.getElementById("totals").textContent.includes("0 dead letters")`)
}

// TestMendersLogIsShownBesideWhatArrived opens the log without a login, and then the log of a
// server that has one event more than the listener.
func TestMendersLogIsShownBesideWhatArrived(t *testing.T) {
	s := start(t)
	s.do(chromedp.Click("#log-button"))
	s.await(details + `.includes("not logged in") && ` + details + `.includes("hint: log in with")`)

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/management/v1/iot-manager/events" || r.Header.Get("Authorization") != "Bearer topsecret" {
			http.Error(w, r.URL.Path, http.StatusForbidden)
			return
		}
		logged := func(id, status string) string {
			return strings.TrimSuffix(event(id, "d1", "accepted"), "}") + `,"delivery_statuses":[{"integration_id":"i1",` + status + `}]}`
		}
		_, _ = io.WriteString(w, "["+logged("e2", `"success":false,"error":"context deadline exceeded <b>"`)+","+logged("e1", `"success":true,"status_code":204`)+"]")
	}))
	defer server.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("topsecret"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = start(t, "--server", server.URL, "--token", token)
	s.deliver(event("e1", "d1", "accepted"))
	s.await(rows + ` === 1`)
	s.do(chromedp.Click("#log-button"))
	s.await(`document.querySelectorAll("#log tbody tr").length === 2`)
	row := func(n int) string {
		return s.text(fmt.Sprintf(`document.querySelector("#log tbody tr:nth-child(%d)").textContent`, n))
	}
	if text := row(1); !strings.Contains(text, "failed: ") || !strings.Contains(text, "<b>") || !strings.Contains(text, "not in this list") {
		t.Error(text)
	}
	if text := row(2); !strings.Contains(text, "delivered 204") || !strings.Contains(text, "200 valid") {
		t.Error(text)
	}
	s.do(chromedp.Click("#log tbody button"))
	s.await(details + `.includes("X-Men-Signature")`)
}

// TestPicture writes the screenshot for the docs if -picture is given.
func TestPicture(t *testing.T) {
	if *picture == "" {
		t.Skip("no -picture")
	}
	s := start(t)
	for n := range 12 {
		device := fmt.Sprintf("c34fdeab-f9d7-4d1f-9744-766b7bcf4d%02d", n%4)
		s.deliver(event(fmt.Sprintf("91a27697-f371-41e0-9e9f-be8e86f42%03d", n), device, []string{"pending", "accepted", "rejected"}[n/4]))
	}
	s.deliver(event("48919a10-2fbd-4ab4-8420-e2cb959938a4", "d1", "accepted"), sign("another body"))
	s.answer.Store(http.StatusInternalServerError)
	s.deliver(event("91a27697-f371-41e0-9e9f-be8e86f42999", "c34fdeab-f9d7-4d1f-9744-766b7bcf4d01", "accepted"))
	s.await(rows + ` === 14`)
	s.do(chromedp.Click(firstRow))
	s.await(`document.getElementById("difference").textContent !== ""`)
	png, err := chromedp.Run(s.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(*picture, png, 0o644); err != nil { //nolint:gosec // a picture
		t.Fatal(err)
	}
}
