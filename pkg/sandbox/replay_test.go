package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

type exchange struct {
	Name    string
	Request struct {
		Method, Path, Body string
		Headers            map[string]string
	}
	Response struct {
		Status  int
		Headers map[string]string
		Body    string
	}
}

type recordedDelivery struct {
	Answer    string `json:"receiver_answers"`
	Method    string
	Path      string
	Headers   map[string]string
	Body      []byte  `json:"body_base64"`
	SecretHex *string `json:"secret_hex"`
}

func load(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestReplay replays every recorded exchange of the real services, and compares
// the answers and the resulting deliveries.
func TestReplay(t *testing.T) {
	var recorded struct{ Exchanges []exchange }
	load(t, "management-api.json", &recorded)
	var want struct{ Deliveries []recordedDelivery }
	load(t, "deliveries.json", &want)

	// Only the slow receiver exceeds this timeout.
	c := start(t, Options{DeliveryTimeout: time.Second})
	receiver := startReceiver(t, want.Deliveries)
	p := newPlayer(t, c, receiver.host, recorded.Exchanges)
	for i, e := range recorded.Exchanges {
		if e.Name == "create iot-core" {
			// The recording leaves out that the previous integration was deleted.
			c.as(p.session, "DELETE", p.ours(recorded.Exchanges[i-2].Response.Headers["Location"]), "")
		}
		before := receiver.count()
		p.play(i, e)
		c.settle()
		got := receiver.count() - before
		delivers := strings.HasPrefix(e.Name, "internal:") && e.Response.Status == http.StatusAccepted
		if delivers && recorded.Exchanges[i-1].Name != "list, one without secret" { // while the URL is a closed port
			if got != 1 {
				t.Errorf("%d %s: %d deliveries, want 1", i, e.Name, got)
			}
		} else if got != 0 {
			t.Errorf("%d %s: %d deliveries, want none", i, e.Name, got)
		}
	}
	if receiver.count() != len(want.Deliveries) {
		t.Fatalf("%d deliveries, want %d", receiver.count(), len(want.Deliveries))
	}
	for i, d := range want.Deliveries {
		p.compareDelivery(i, d, receiver.got[i])
	}
}

// receivedDelivery is a request as the receiver read it from the connection.
type receivedDelivery struct {
	method, path string
	headers      map[string]string
	body         []byte
}

type testReceiver struct {
	host string
	mu   sync.Mutex
	got  []receivedDelivery
}

func (r *testReceiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

// startReceiver answers as the recorded receiver did.
func startReceiver(t *testing.T, answers []recordedDelivery) *testReceiver {
	r := &testReceiver{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Errorf("read delivery: %v", err)
		}
		got := receivedDelivery{req.Method, req.URL.Path, map[string]string{"Host": req.Host}, body}
		for name, values := range req.Header {
			got.headers[name] = strings.Join(values, ", ")
		}
		r.mu.Lock()
		n := len(r.got)
		r.got = append(r.got, got)
		r.mu.Unlock()
		if n >= len(answers) {
			t.Errorf("a delivery too many: %s", body)
			return
		}
		reply(t, w, req, answers[n].Answer)
	}))
	t.Cleanup(server.Close)
	r.host = server.Listener.Addr().String()
	return r
}

func reply(t *testing.T, w http.ResponseWriter, req *http.Request, how string) {
	switch how {
	case "redirect":
		http.Redirect(w, req, "/elsewhere", http.StatusFound)
	case "reset":
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.Close()
	case "slow":
		<-req.Context().Done() // longer than any sender waits
	default:
		var status int
		if _, err := fmt.Sscan(how, &status); err != nil {
			t.Errorf("receiver_answers %q: %v", how, err)
		}
		w.WriteHeader(status)
	}
}

// player sends recorded requests to a sandbox and compares its answers, except for
// values that must differ: ids, times, tokens, ports.
type player struct {
	t       *testing.T
	c       *client
	host    string            // of the receiver, in place of the recorded one
	closed  string            // an unused address
	ids     map[string]string // recorded → ours
	back    map[string]string // ours → recorded
	literal map[string]bool   // values of the requests, which the answers must repeat
	session string
	pats    []string
}

const (
	recordedHost   = "127.0.0.1:9099"
	recordedClosed = "127.0.0.1:9"
)

var (
	uuids   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	stamps  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?Z`)
	variant = regexp.MustCompile(uuids.String() + "|" + stamps.String())
	closed  = regexp.MustCompile(`127\.0\.0\.1:9\b`)
)

func newPlayer(t *testing.T, c *client, host string, exchanges []exchange) *player {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close() // to get an unused address
	p := &player{
		t: t, c: c, host: host, closed: l.Addr().String(),
		ids: map[string]string{}, back: map[string]string{}, literal: map[string]bool{},
	}
	for _, e := range exchanges {
		for _, text := range variant.FindAllString(e.Request.Body, -1) {
			p.literal[text] = true
		}
	}
	return p
}

func (p *player) play(i int, e exchange) {
	p.t.Helper()
	name := fmt.Sprintf("%d %s", i, e.Name)
	var headers []string
	for key, value := range e.Request.Headers {
		headers = append(headers, key, strings.Replace(value, "<token>", p.token(e.Name), 1))
	}
	got := p.c.do(e.Request.Method, p.ours(e.Request.Path), p.body(e.Request.Body), headers...)
	if got.status != e.Response.Status {
		p.t.Errorf("%s: got %d %s, want %d %s", name, got.status, got.body, e.Response.Status, e.Response.Body)
	}
	gotHeaders := map[string]string{}
	for key := range got.header {
		if key != "Date" && key != "Content-Length" {
			gotHeaders[key] = got.header.Get(key)
		}
	}
	if got.coding != nil {
		gotHeaders["Transfer-Encoding"] = strings.Join(got.coding, ", ")
	}
	for key, value := range e.Response.Headers {
		if ours, ok := gotHeaders[key]; !ok || !p.same(value, ours) {
			p.t.Errorf("%s: header %s: %q, want %q", name, key, ours, value)
		}
		delete(gotHeaders, key)
	}
	if len(gotHeaders) > 0 {
		p.t.Errorf("%s: headers that the real server does not send: %v", name, gotHeaders)
	}
	if e.Response.Headers["Content-Type"] == "application/jwt" {
		p.compareJWT(name, e.Response.Body, got.body)
		p.keep(e.Name, got.body)
		return
	}
	if !p.same(e.Response.Body, got.body) {
		p.t.Errorf("%s: body differs:\n got %s\nwant %s", name, got.body, e.Response.Body)
	}
}

// token returns the token for a recorded request.
func (p *player) token(exchange string) string {
	switch exchange {
	case "personal access token used", "revoked personal access token used":
		return p.pats[0]
	case "tampered token":
		i := strings.LastIndexByte(p.session, '.')
		return p.session[:i+1] + strings.Repeat("A", len(p.session)-i-1)
	}
	return p.session
}

func (p *player) keep(exchange, jwt string) {
	if strings.HasPrefix(exchange, "login") {
		p.session = jwt
	} else {
		p.pats = append(p.pats, jwt)
	}
}

// ours replaces recorded ids by the sandbox's.
func (p *player) ours(text string) string {
	return uuids.ReplaceAllStringFunc(text, func(id string) string {
		if mapped, ok := p.ids[id]; ok {
			return mapped
		}
		return id
	})
}

func (p *player) body(text string) string {
	var size int
	if n, _ := fmt.Sscanf(text, "<%d bytes>", &size); n == 1 {
		const head, tail = `{"provider":"webhook","description":"`, `"}`
		return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
	}
	text = strings.ReplaceAll(text, recordedHost, p.host)
	return closed.ReplaceAllString(text, p.closed)
}

// same compares texts. Times may differ, and so may ids, as long as each recorded
// id always corresponds to the same one of ours.
func (p *player) same(recorded, ours string) bool {
	ours = strings.ReplaceAll(ours, p.host, recordedHost)
	ours = strings.ReplaceAll(ours, p.closed, recordedClosed)
	a, b := variant.FindAllString(recorded, -1), variant.FindAllString(ours, -1)
	if variant.ReplaceAllString(recorded, "~") != variant.ReplaceAllString(ours, "~") || len(a) != len(b) {
		return false
	}
	for i := range a {
		if p.literal[a[i]] && a[i] != b[i] {
			return false
		}
		if uuids.MatchString(a[i]) && !p.stand(a[i], b[i]) {
			return false
		}
	}
	return true
}

func (p *player) stand(recorded, ours string) bool {
	if _, seen := p.ids[recorded]; !seen && p.back[ours] == "" {
		p.ids[recorded], p.back[ours] = ours, recorded
	}
	return p.ids[recorded] == ours && p.back[ours] == recorded
}

var claimTimes = regexp.MustCompile(`"(exp|iat|nbf)":(\d+)`)

func (p *player) compareJWT(name, recorded, ours string) {
	p.t.Helper()
	a, b := strings.Split(recorded, "."), strings.Split(ours, ".")
	if len(b) != 3 {
		p.t.Fatalf("%s: %q is no JWT", name, ours)
	}
	if a[0] != b[0] {
		p.t.Errorf("%s: the token's header is %s, want %s", name, b[0], a[0])
	}
	want, _ := base64.RawURLEncoding.DecodeString(a[1])
	got, err := base64.RawURLEncoding.DecodeString(b[1])
	if err != nil {
		p.t.Fatalf("%s: %v", name, err)
	}
	if !p.same(claimTimes.ReplaceAllString(string(want), `"$1":0`), claimTimes.ReplaceAllString(string(got), `"$1":0`)) {
		p.t.Errorf("%s: claims %s, want %s", name, got, want)
	}
	var wantClaims, gotClaims claims
	if err := json.Unmarshal(want, &wantClaims); err != nil {
		p.t.Fatal(err)
	}
	if err := json.Unmarshal(got, &gotClaims); err != nil {
		p.t.Fatal(err)
	}
	life := func(c claims) [2]int64 {
		if c.ExpiresAt == 0 {
			return [2]int64{-1, c.NotBefore - c.IssuedAt}
		}
		return [2]int64{c.ExpiresAt - c.IssuedAt, c.NotBefore - c.IssuedAt}
	}
	if life(wantClaims) != life(gotClaims) {
		p.t.Errorf("%s: claims live for %v, want %v", name, life(gotClaims), life(wantClaims))
	}
}

func (p *player) compareDelivery(i int, want recordedDelivery, got receivedDelivery) {
	p.t.Helper()
	if got.method != want.Method || got.path != want.Path {
		p.t.Errorf("delivery %d: %s %s, want %s %s", i, got.method, got.path, want.Method, want.Path)
	}
	if !p.same(string(want.Body), string(got.body)) {
		p.t.Errorf("delivery %d: body differs:\n got %s\nwant %s", i, got.body, want.Body)
	}
	headers := map[string]string{}
	for key, value := range want.Headers {
		headers[key] = value
	}
	headers["Host"] = p.host
	headers["Content-Length"] = fmt.Sprint(len(got.body))
	if want.SecretHex != nil {
		secret := webhook.EmptySecret()
		if *want.SecretHex != "" {
			var err error
			if secret, err = webhook.ParseSecret(*want.SecretHex); err != nil {
				p.t.Fatal(err)
			}
		}
		headers[webhook.HeaderSignature] = secret.Sign(got.body)
	}
	if diff := cmp.Diff(headers, got.headers); diff != "" {
		p.t.Errorf("delivery %d: headers (-want +got):\n%s", i, diff)
	}
}
