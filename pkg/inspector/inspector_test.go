package inspector_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/inspector"
	"github.com/mender-webhooks/mender-webhooks/pkg/inspector/history"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secretText = "73656372657431323334"

// setup is a listener with an inspector and an application.
type setup struct {
	t        *testing.T
	listener *listener.Listener
	events   string // the listener's URL
	base     string // the page's URL without its token
	token    string
	received chan *http.Request // by the application; the bodies were read into received bodies
	bodies   chan string
	client   *http.Client
}

// start starts a listener and its inspector, and stops both when the test ends.
func start(t *testing.T, e listener.Endpoint, o inspector.Options, others ...listener.Endpoint) *setup {
	t.Helper()
	secret, err := webhook.ParseSecret(secretText)
	if err != nil {
		t.Fatal(err)
	}
	s := &setup{t: t, received: make(chan *http.Request, 100), bodies: make(chan string, 100), client: &http.Client{}}
	t.Cleanup(s.client.CloseIdleConnections)
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.received <- r
		s.bodies <- string(body)
		if strings.Contains(string(body), "refuse") {
			w.Header().Set("Set-Cookie", "session=topsecret")
			http.Error(w, "no such device", http.StatusGone)
		}
	}))
	t.Cleanup(application.Close)
	at, err := url.Parse(application.URL)
	if err != nil {
		t.Fatal(err)
	}
	to, err := httptarget.New(httptarget.Options{URL: at, Answer: true})
	if err != nil {
		t.Fatal(err)
	}
	e.Targets = []listener.Target{{Target: to, Forward: relay.ForwardOptions{DeadOn: []int{http.StatusGone}}}}
	e.Receiver.Secrets = func() []webhook.Secret { return []webhook.Secret{secret} }
	l, err := listener.Open(t.Context(), listener.Options{Endpoints: append(others, e), Info: t.Logf, Warn: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	events, page := listen(t), listen(t)
	o.Listener, s.listener = l, l
	ins := inspector.New(o)
	address, token, _ := strings.Cut(ins.URL(page.Addr()), "#")
	s.events, s.base, s.token = "http://"+events.Addr().String(), strings.TrimSuffix(address, "/"), token
	serve(t, l, events, ins, page)
	s.eventually("the history is kept", func() bool { // Serve has begun
		code, _ := s.call("GET", "/api/about", "")
		return code == http.StatusOK
	})
	return s
}

// serve serves a listener and its inspector until the test ends.
func serve(t *testing.T, l *listener.Listener, events net.Listener, ins *inspector.Inspector, page net.Listener) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 2)
	go func() {
		served <- l.Serve(ctx, func() (listener.Ports, error) { return listener.Ports{Events: []net.Listener{events}}, nil })
	}()
	go func() { served <- ins.Serve(ctx, page) }()
	t.Cleanup(func() {
		stop()
		for range 2 {
			if err := <-served; err != nil {
				t.Error(err)
			}
		}
	})
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (s *setup) eventually(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			s.t.Fatalf("%s: not in time", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// deliver sends a signed event with more headers, and returns the answer's status.
func (s *setup) deliver(body string, signed bool, headers ...string) int {
	s.t.Helper()
	secret, _ := webhook.ParseSecret(secretText)
	if !signed {
		secret = webhook.Secret{}
	}
	return s.deliverTo("/hook?token=geheim", body, secret, headers...)
}

func (s *setup) deliverTo(path, body string, secret webhook.Secret, headers ...string) int {
	s.t.Helper()
	req, err := webhook.NewRequest(s.t.Context(), s.events+path, []byte(body), secret)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// call calls the page's API. headers alternates names and values.
func (s *setup) call(method, path, body string, headers ...string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("X-Inspector-Token", s.token)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options"} {
		if resp.Header.Get(name) == "" {
			s.t.Errorf("%s %s has no %s", method, path, name)
		}
	}
	if resp.Header.Get("Referrer-Policy") != "no-referrer" {
		s.t.Errorf("%s %s: Referrer-Policy %q", method, path, resp.Header.Get("Referrer-Policy"))
	}
	return resp.StatusCode, string(text)
}

// items reads the stream until it has n items.
func (s *setup) items(n int) (items []map[string]any) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/api/events", nil)
	req.Header.Set("X-Inspector-Token", s.token)
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	kind := ""
	for lines := bufio.NewScanner(resp.Body); len(items) < n && lines.Scan(); {
		if after, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			kind = after
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && kind == "item" {
			var item map[string]any
			if err := json.Unmarshal([]byte(data), &item); err != nil {
				s.t.Fatal(err)
			}
			items = append(items, item)
		}
	}
	if len(items) < n {
		s.t.Fatalf("%d items, want %d", len(items), n)
	}
	return items
}

const event = `{"id":"48919a10-2fbd-4ab4-8420-e2cb959938a4","type":"device-status-changed","data":{"id":"d1","status":"accepted"},"time":"2026-11-23T09:00:00Z"}`

func TestARequestIsShownInFull(t *testing.T) {
	s := start(t, listener.Endpoint{}, inspector.Options{})
	if code := s.deliver(event, true, "Authorization", "Bearer topsecret", "X-Api-Token", "topsecret", "X-Men-Requestid", "r1"); code != http.StatusOK {
		t.Fatal(code)
	}
	item := s.items(1)[0]
	want := map[string]any{"number": 1.0, "kind": "received", "type": "device-status-changed", "device": "d1", "device_status": "accepted", "verdict": "valid", "answer": 200.0}
	for name, value := range want {
		if item[name] != value {
			t.Errorf("%s: %v, want %v", name, item[name], value)
		}
	}
	code, text := s.call("GET", "/api/requests/1", "")
	var details struct {
		Path, Body string
		Header     http.Header
	}
	if err := json.Unmarshal([]byte(text), &details); err != nil || code != http.StatusOK {
		t.Fatal(code, text)
	}
	if details.Body != event || details.Header.Get("X-Men-Requestid") != "r1" || details.Path != "/hook?token=***" {
		t.Errorf("%+v", details)
	}
	if details.Header.Get("Authorization") != "Bearer ***" || details.Header.Get("X-Api-Token") != "***" {
		t.Errorf("headers: %v", details.Header)
	}
	_, raw := s.call("GET", "/api/requests/1/raw", "")
	message, err := webhook.ParseMessage([]byte(raw))
	secret, _ := webhook.ParseSecret(secretText)
	if err != nil || webhook.Verify(message.Header, message.Body, secret).Verdict != webhook.Valid {
		t.Errorf("%v: %s", err, raw)
	}
	for _, path := range []string{"/api/requests/1", "/api/requests/1/raw", "/api/requests/1/curl", "/api/about"} {
		if _, text := s.call("GET", path, ""); strings.Contains(text, "topsecret") || strings.Contains(text, secretText) || strings.Contains(text, "geheim") {
			t.Errorf("%s contains a secret: %s", path, text)
		}
	}
	if code, _ := s.call("GET", "/api/requests/99", ""); code != http.StatusNotFound {
		t.Errorf("a request that does not exist: %d", code)
	}
}

func TestReplaySendsTheSameBytes(t *testing.T) {
	s := start(t, listener.Endpoint{}, inspector.Options{})
	s.deliver(event, true)
	first, body := <-s.received, <-s.bodies
	s.items(1)
	if code, text := s.call("POST", "/api/requests/1/replay", ""); code != http.StatusOK || !strings.Contains(text, `"status":200`) {
		t.Fatal(code, text)
	}
	again, same := <-s.received, <-s.bodies
	if same != body || again.Header.Get("X-Men-Signature") != first.Header.Get("X-Men-Signature") || first.Header.Get("X-Men-Signature") == "" {
		t.Errorf("%v\n%v", first.Header, again.Header)
	}
	s.deliver(event, false) // refused
	s.items(2)
	if code, text := s.call("POST", "/api/requests/2/replay", ""); code != http.StatusConflict || !strings.Contains(text, "refused") {
		t.Error(code, text)
	}
	if len(s.received) != 0 {
		t.Error("a refused request reached the application")
	}
}

func TestAnEditedCopyIsSignedAndMarked(t *testing.T) {
	const edited = `{"id":"e2","type":"device-decommissioned","data":{"id":"d1"},"time":"2026-11-23T09:00:00Z"}`
	s := start(t, listener.Endpoint{}, inspector.Options{Edit: true})
	s.deliver(event, true)
	_, _ = <-s.received, <-s.bodies
	s.items(1)
	code, text := s.call("POST", "/api/requests/1/edit", edited)
	if code != http.StatusOK {
		t.Fatal(code, text)
	}
	got, body := <-s.received, <-s.bodies
	secret, _ := webhook.ParseSecret(secretText)
	if body != edited || webhook.Verify(got.Header, []byte(body), secret).Verdict != webhook.Valid || got.Header.Get(target.HeaderEdited) == "" {
		t.Errorf("%s %v", body, got.Header)
	}
	if strings.Contains(text, secret.Sign([]byte(edited))) {
		t.Errorf("the answer has the signature: %s", text)
	}
	if code, _ := s.call("POST", "/api/requests/1/edit", strings.Repeat("x", webhook.MaxBody+1)); code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body that is too large: %d", code)
	}

	off := start(t, listener.Endpoint{}, inspector.Options{})
	off.deliver(event, true)
	off.items(1)
	if code, _ := off.call("POST", "/api/requests/1/edit", edited); code != http.StatusConflict {
		t.Errorf("without Edit: %d", code)
	}
}

func TestOnlyThePageItselfIsServed(t *testing.T) {
	s := start(t, listener.Endpoint{}, inspector.Options{Edit: true})
	s.deliver(event, true)
	s.items(1)
	host := strings.TrimPrefix(s.base, "http://")
	_, port, _ := net.SplitHostPort(host)
	for name, test := range map[string]struct {
		headers []string
		want    int
	}{
		"its own origin":     {[]string{"Origin", s.base}, 200},
		"localhost":          {[]string{"Host", "localhost:" + port, "Origin", "http://localhost:" + port}, 200},
		"no token":           {[]string{"X-Inspector-Token", ""}, 403},
		"another token":      {[]string{"X-Inspector-Token", strings.Repeat("A", 26)}, 403},
		"a foreign host":     {[]string{"Host", "rebound.example:" + port}, 403},
		"a foreign origin":   {[]string{"Origin", "http://evil.example"}, 403},
		"another local page": {[]string{"Origin", "http://127.0.0.1:3000"}, 403},
		"an opaque origin":   {[]string{"Origin", "null"}, 403},
	} {
		for method, path := range map[string]string{"GET": "/api/requests/1", "POST": "/api/requests/1/replay"} {
			if code, _ := s.call(method, path, "", test.headers...); code != test.want {
				t.Errorf("%s: %s %s: %d, want %d", name, method, path, code, test.want)
			}
		}
	}
	code, page := s.call("GET", "/", "", "X-Inspector-Token", "")
	if code != http.StatusOK || !strings.Contains(page, "<title>mender-webhooks</title>") || strings.Contains(page, s.token) {
		t.Error(code, page)
	}
	for _, path := range []string{"/app.js", "/style.css"} {
		if code, _ := s.call("GET", path, ""); code != http.StatusOK {
			t.Errorf("%s: %d", path, code)
		}
	}
}

func TestHostileBodiesStayText(t *testing.T) {
	s := start(t, listener.Endpoint{Receiver: receiver.Options{}}, inspector.Options{})
	hostile := []string{`<script>alert(1)</script>`, "\x1b[2J\x00\xff", "'; rm -rf / #", strings.Repeat("x", webhook.MaxBody), "a\n\nevent: item\ndata: {}\n\n"}
	for _, body := range hostile {
		s.deliver(body, true, "X-Note", "</pre><script>")
	}
	for n, item := range s.items(len(hostile)) {
		if item["verdict"] == "" {
			t.Errorf("%d: %v", n, item)
		}
	}
	_, text := s.call("GET", "/api/requests/2", "")
	if !strings.Contains(text, `"binary":true`) || strings.ContainsAny(text, "\x1b\x00") {
		t.Error(text)
	}
	if code, text := s.call("GET", "/api/requests/2/curl", ""); code != http.StatusConflict {
		t.Error(code, text)
	}
	if _, text := s.call("GET", "/api/requests/3/curl", ""); !strings.HasPrefix(text, `curl --data-raw ''\''; rm -rf / #' \`) {
		t.Error(text)
	}
}

func TestTheQueueIsManaged(t *testing.T) {
	s := start(t, listener.Endpoint{Store: &relay.StoreOptions{Dir: t.TempDir()}}, inspector.Options{})
	refused := strings.Replace(event, "accepted", "refuse", 1)
	s.deliver(refused, true)
	items := s.items(3)
	kinds := []string{}
	for _, item := range items {
		kinds = append(kinds, item["kind"].(string))
	}
	if slices.Sort(kinds); !slices.Equal(kinds, []string{"dead", "forwarded", "received"}) {
		t.Fatal(kinds)
	}
	id := items[0]["id"].(string)
	_, text := s.call("GET", "/api/queue", "")
	if !strings.Contains(text, id) || !strings.Contains(text, "410") {
		t.Error(text)
	}
	_, _ = <-s.received, <-s.bodies
	for _, item := range items {
		code, text := s.call("GET", fmt.Sprintf("/api/attempts/%v", item["number"]), "")
		want := http.StatusNotFound
		if item["kind"] == "forwarded" {
			want = http.StatusOK
		}
		if code != want || code == http.StatusOK && (!strings.Contains(text, "no such device") || !strings.Contains(text, `"Set-Cookie":["***"]`)) {
			t.Errorf("%v: %d %s", item["kind"], code, text)
		}
	}
	if code, text := s.call("POST", "/api/queue/retry", `{"id":"`+id+`"}`); code != http.StatusNoContent {
		t.Fatal(code, text)
	}
	if body := <-s.bodies; body != refused {
		t.Error(body)
	}
	s.items(5)
	s.eventually("it is a dead letter again", func() bool {
		code, _ := s.call("POST", "/api/queue/drop", `{"id":"`+id+`"}`)
		return code == http.StatusNoContent
	})
	for body, want := range map[string]int{`{"id":"nothing"}`: 404, `{}`: 400, `nonsense`: 400} {
		if code, _ := s.call("POST", "/api/queue/drop", body); code != want {
			t.Errorf("%s: %d, want %d", body, code, want)
		}
	}
}

// noted is a target that remembers its events.
type noted struct{ got chan target.Event }

func (n noted) Deliver(_ context.Context, e target.Event) target.Result {
	n.got <- e
	return target.Result{}
}
func (noted) String() string { return "exec:noted" }
func (noted) Close() error   { return nil }

// With several endpoints, the page shows which one got a request, and uses only its
// targets, its secrets and its queue, also after they have changed.
func TestEndpointsAreApart(t *testing.T) {
	one, two, three := noted{make(chan target.Event, 10)}, noted{make(chan target.Event, 10)}, noted{make(chan target.Event, 10)}
	second, _ := webhook.ParseSecret("00ff")
	endpoint := func(name string, secret webhook.Secret, to target.Target) listener.Endpoint {
		return listener.Endpoint{
			Name: name, Receiver: receiver.Options{Path: "/" + name, Secrets: func() []webhook.Secret { return []webhook.Secret{secret} }},
			Store: &relay.StoreOptions{Dir: t.TempDir()}, Targets: []listener.Target{{Target: to, Route: relay.Route{Name: "lake"}}},
		}
	}
	first, _ := webhook.ParseSecret(secretText)
	acme, beta := endpoint("acme", first, one), endpoint("beta", second, two)
	s := start(t, endpoint("gamma", first, one), inspector.Options{Edit: true}, acme, beta)
	if code := s.deliverTo("/beta", event, second); code != http.StatusNoContent {
		t.Fatal(code)
	}
	<-two.got
	item := s.items(2)[0]
	if item["kind"] != "received" { // the attempt may come first
		item = s.items(2)[1]
	}
	number := fmt.Sprint(item["number"])
	if item["endpoint"] != "beta" {
		t.Errorf("%v", item)
	}
	if _, text := s.call("GET", "/api/about", ""); !strings.Contains(text, `"endpoints":["acme","beta","gamma"]`) {
		t.Error(text)
	}
	if code, text := s.call("POST", "/api/requests/"+number+"/replay", ""); code != http.StatusOK {
		t.Fatal(code, text)
	}
	if e := <-two.got; string(e.Body) != event {
		t.Errorf("%s", e.Body)
	}
	if code, text := s.call("POST", "/api/requests/"+number+"/edit", event); code != http.StatusOK {
		t.Fatal(code, text)
	}
	if e := <-two.got; webhook.Verify(e.Header, e.Body, second).Verdict != webhook.Valid {
		t.Errorf("signed with another secret: %v", e.Header)
	}
	for name, want := range map[string]int{"acme": 200, "beta": 200, "": 409, "delta": 409} {
		if code, text := s.call("GET", "/api/queue?endpoint="+name, ""); code != want {
			t.Errorf("the queue of %q: %d %s", name, code, text)
		}
	}
	beta.Targets = []listener.Target{{Target: three, Route: relay.Route{Name: "lake"}}}
	if err := s.listener.Apply(t.Context(), []listener.Endpoint{acme, beta}); err != nil {
		t.Fatal(err)
	}
	if code, text := s.call("POST", "/api/requests/"+number+"/replay", ""); code != http.StatusOK {
		t.Fatal(code, text)
	}
	<-three.got
	if err := s.listener.Apply(t.Context(), []listener.Endpoint{acme}); err != nil {
		t.Fatal(err)
	}
	if code, text := s.call("POST", "/api/requests/"+number+"/replay", ""); code != http.StatusConflict {
		t.Error(code, text)
	}
	if len(one.got)+len(two.got) > 0 {
		t.Error("an event reached the target of another endpoint")
	}
}

func TestAnAddressOthersCanReachIsRefused(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:0") //nolint:gosec // refused
	if err != nil {
		t.Fatal(err)
	}
	ins := inspector.New(inspector.Options{})
	if err := ins.Serve(t.Context(), l); err == nil || !strings.Contains(err.Error(), "must be a loopback address") {
		t.Error(err)
	}
}

func TestTokensDiffer(t *testing.T) {
	seen := map[string]bool{}
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	for range 100 {
		seen[inspector.New(inspector.Options{}).URL(addr)] = true
	}
	if len(seen) != 100 || !strings.HasPrefix(slices.Collect(maps.Keys(seen))[0], "http://127.0.0.1:1/#") {
		t.Error(len(seen))
	}
}

// TestMendersLogIsShown reads the log of an endpoint, and reports why it cannot be read.
func TestMendersLogIsShown(t *testing.T) {
	t.Parallel()
	s := start(t, listener.Endpoint{}, inspector.Options{Log: func(_ context.Context, endpoint string) ([]mender.Event, error) {
		if endpoint != "" {
			return nil, fault.WithHint(fault.New(fault.Access, "not logged in"), "log in")
		}
		var e mender.Event
		err := json.Unmarshal([]byte(`{"id":"e1","type":"device-decommissioned","data":{"id":"d1"},"time":"2026-11-23T09:00:00Z",
			"delivery_statuses":[{"integration_id":"i1","success":false,"status_code":401,"error":"unexpected status code: 401"}]}`), &e)
		return []mender.Event{e}, err
	}})
	_, text := s.call(http.MethodGet, "/api/log", "")
	var items []history.Item
	if err := json.Unmarshal([]byte(text), &items); err != nil {
		t.Fatal(text)
	}
	if len(items) != 1 || items[0].ID != "e1" || items[0].Device != "d1" || items[0].Verdict != history.Failed || items[0].Answer != 401 {
		t.Errorf("%+v", items)
	}
	if status, text := s.call(http.MethodGet, "/api/log?endpoint=eu", ""); status != http.StatusBadGateway || text != "not logged in\nhint: log in\n" {
		t.Errorf("%d %q", status, text)
	}
}
