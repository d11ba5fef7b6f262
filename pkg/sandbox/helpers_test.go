package sandbox

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const (
	iot     = "/api/management/v1/iot-manager"
	useradm = "/api/management/v1/useradm"
	inside  = "/api/internal/v1/iot-manager"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sharedKey saves the tenth of a second that generating a key takes.
var sharedKey = sync.OnceValues(newKey)

// client is an HTTP client of a sandbox.
type client struct {
	t     *testing.T
	box   *Sandbox
	url   string
	http  *http.Client
	token string // of an admin
}

// start starts a sandbox behind a server, and stops both when the test ends.
func start(t *testing.T, o Options) *client {
	t.Helper()
	if o.key == nil {
		key, err := sharedKey()
		if err != nil {
			t.Fatal(err)
		}
		o.key = key
	}
	box, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(box)
	transport := &http.Transport{}
	c := &client{t: t, box: box, url: server.URL, token: box.AdminToken(), http: &http.Client{Transport: transport}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		if err := box.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return c
}

type answer struct {
	status int
	header http.Header
	body   string
	coding []string
}

// do sends a request. headers alternates names and values.
func (c *client) do(method, path, body string, headers ...string) answer {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{resp.StatusCode, resp.Header, string(b), resp.TransferEncoding}
}

// as sends a request with a token and a JSON body.
func (c *client) as(token, method, path, body string) answer {
	c.t.Helper()
	return c.do(method, path, body, "Authorization", "Bearer "+token, "Content-Type", "application/json")
}

func (c *client) login(email, password, body string) answer {
	c.t.Helper()
	basic := base64.StdEncoding.EncodeToString([]byte(email + ":" + password))
	return c.do("POST", useradm+"/auth/login", body, "Authorization", "Basic "+basic, "Content-Type", "application/json")
}

// webhook creates a webhook and returns its id.
func (c *client) webhook(url string) string {
	c.t.Helper()
	a := c.as(c.token, "POST", iot+"/integrations", `{"provider":"webhook","credentials":{"type":"http","http":{"url":"`+url+`","secret":"deadbeef"}}}`)
	if a.status != http.StatusCreated {
		c.t.Fatalf("create: %d %s", a.status, a.body)
	}
	return a.header.Get("Location")[len(iot+"/integrations/"):]
}

// events reads a page of the log.
func (c *client) events(query string) []loggedEvent {
	c.t.Helper()
	a := c.as(c.token, "GET", iot+"/events"+query, "")
	if a.status != http.StatusOK {
		c.t.Fatalf("events%s: %d %s", query, a.status, a.body)
	}
	var events []loggedEvent
	if err := json.Unmarshal([]byte(a.body), &events); err != nil {
		c.t.Fatal(err)
	}
	return events
}

func (c *client) settle() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	if err := c.box.Settle(ctx); err != nil {
		c.t.Fatalf("deliveries do not end: %v", err)
	}
}

func (a answer) expect(t *testing.T, status int, message string) {
	t.Helper()
	var got struct{ Error string }
	_ = json.Unmarshal([]byte(a.body), &got) // a body that is not JSON has no error
	if a.status != status || got.Error != message {
		t.Errorf("got %d %q, want %d %q", a.status, a.body, status, message)
	}
}
