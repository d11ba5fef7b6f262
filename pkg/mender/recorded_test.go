package mender

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/redact"
)

// exchange is one request to the real services, and their answer.
type exchange struct {
	Name    string `json:"name"`
	Request struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	} `json:"request"`
	Response struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	} `json:"response"`
	Note string `json:"note"`
}

func recorded(t testing.TB) []exchange {
	t.Helper()
	raw, err := os.ReadFile("testdata/management-api.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Exchanges []exchange `json:"exchanges"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	return file.Exchanges
}

// player answers each request with the recorded response of one exchange, and
// keeps the request.
type player struct {
	*httptest.Server
	t    *testing.T
	play exchange
	// got is the last request, with its body.
	got  *http.Request
	body string
	n    int
}

func newPlayer(t *testing.T) *player {
	p := &player{t: t}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *player) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p.got, p.body, p.n = r, string(body), p.n+1
	for name, value := range p.play.Response.Headers {
		if name != "Transfer-Encoding" && name != "Content-Length" {
			w.Header().Set(name, value)
		}
	}
	w.WriteHeader(p.play.Response.Status)
	_, _ = io.WriteString(w, p.play.Response.Body)
}

func testClient(t *testing.T, server string, change ...func(*Options)) *Client {
	t.Helper()
	o := Options{Server: server, Token: testToken, Retry: RetryPolicy{MinWait: time.Millisecond, MaxWait: time.Millisecond}}
	for _, f := range change {
		f(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// testToken is not valid on any server: its signature is the word "signature".
const testToken = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9." +
	"eyJqdGkiOiJhIiwic3ViIjoidXNlciIsImV4cCI6NDEwMjQ0NDgwMCwiaWF0IjoxNzk1NDI3Njc0LCJtZW5kZXIudXNlciI6dHJ1ZX0.c2lnbmF0dXJl"

// perform makes the call that an exchange records, if the client has one for it,
// and returns the decoded answer.
func perform(ctx context.Context, c *Client, x exchange) (result any, known bool, err error) {
	path, query, _ := strings.Cut(x.Request.Path, "?")
	rest, iot := strings.CutPrefix(path, iotManager)
	if !iot {
		rest = strings.TrimPrefix(path, useradm)
	}
	route := rest
	var id string
	for _, prefix := range []string{"/integrations/", "/settings/tokens/"} {
		if tail, ok := strings.CutPrefix(rest, prefix); ok {
			id = strings.TrimSuffix(tail, "/credentials")
			route = strings.Replace(rest, id, "ID", 1)
		}
	}
	switch x.Request.Method + " " + route {
	case "POST /auth/login":
		result, err = c.Login(ctx, LoginRequest{Email: "admin@example.com", Password: "correct-horse-battery"})
	case "GET /users/me":
		result, err = c.Me(ctx)
	case "POST /settings/tokens":
		var body struct {
			Name string
			In   int `json:"expires_in"`
		}
		_ = json.Unmarshal([]byte(x.Request.Body), &body)
		result, err = c.CreateToken(ctx, body.Name, time.Duration(body.In)*time.Second)
	case "GET /settings/tokens":
		result, err = c.Tokens(ctx)
	case "DELETE /settings/tokens/ID":
		err = c.RevokeToken(ctx, id)
	case "POST /auth/logout":
		err = c.Logout(ctx)
	case "GET /integrations":
		result, err = c.Integrations(ctx)
	case "POST /integrations":
		var n struct {
			Provider    Provider
			Credentials Credentials
			Description string
			Scopes      []string
		}
		_ = json.Unmarshal([]byte(x.Request.Body), &n)
		if checkCredentials(n.Provider, "", n.Credentials) != nil { // the client refuses to send it
			n.Provider, n.Credentials = ProviderWebhook, HTTP("http://x.example", "")
		}
		result, err = c.CreateIntegration(ctx, NewIntegration(n))
	case "DELETE /integrations/ID":
		err = c.DeleteIntegration(ctx, id)
	case "GET /events":
		size := 20
		if strings.Contains(query, "per_page=500") {
			size = 500
		}
		var page Page[Event]
		if page, err = c.EventsPage(ctx, "", 1, size); err == nil {
			result, err = page.Items()
		}
	default:
		return nil, false, nil
	}
	return result, true, err
}

func TestRecordedResponses(t *testing.T) {
	p := newPlayer(t)
	c := testClient(t, p.URL)
	played, performed := 0, 0
	for i, x := range recorded(t) {
		t.Run(strconv.Itoa(i)+" "+x.Name, func(t *testing.T) {
			p.play = x
			result, known, err := perform(t.Context(), c, x)
			if !known {
				// The client has no such call: only decode the answer.
				k := &call{op: "play", method: x.Request.Method, path: strings.SplitN(x.Request.Path, "?", 2)[0],
					accept: []int{200, 202, 204}}
				_, err = c.do(t.Context(), k)
			}
			if played++; known {
				performed++
			}
			if x.Response.Status < 300 {
				if err != nil {
					t.Fatalf("status %d became %v", x.Response.Status, err)
				}
				checkResult(t, x, result)
				return
			}
			checkError(t, x, err)
		})
	}
	if played != 97 || performed != 64 {
		t.Errorf("played %d exchanges, %d of them through a call of the client's own", played, performed)
	}
}

// checkResult encodes the result again and compares it with the answer.
func checkResult(t *testing.T, x exchange, result any) {
	t.Helper()
	if id, ok := strings.CutPrefix(x.Response.Headers["Location"], iotManager+"/integrations/"); ok {
		if result != id {
			t.Errorf("got id %v, Location has %s", result, id)
		}
		return
	}
	if text, ok := result.(string); ok { // a token
		if text != x.Response.Body {
			t.Errorf("got %q, server sent %q", text, x.Response.Body)
		}
		return
	}
	if result == nil {
		return
	}
	got, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(x.Response.Body), string(got)); diff != "" {
		t.Errorf("encoded again (-server +client):\n%s", diff)
	}
}

func checkError(t *testing.T, x exchange, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("status %d became %v", x.Response.Status, err)
	}
	var body answerError
	if err := json.Unmarshal([]byte(x.Response.Body), &body); err != nil {
		t.Fatal(err)
	}
	// The server quotes a secret that it refuses. The error must not.
	body.Error = strings.ReplaceAll(body.Error, "not-hex", redact.Mask)
	got := []any{e.StatusCode, e.Message, e.RequestID}
	want := []any{x.Response.Status, body.Error, x.Response.Headers["X-Men-Requestid"]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-server +error):\n%s", diff)
	}
	kind := map[int]error{401: ErrUnauthorized, 404: ErrNotFound, 409: ErrConflict}[x.Response.Status]
	if kind != nil && !errors.Is(err, kind) {
		t.Errorf("%v is not %v", err, kind)
	}
	if errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("%v: unexpected ErrOutcomeUnknown, although the server refused", err)
	}
	if !strings.Contains(err.Error(), body.Error) {
		t.Errorf("%q lacks the server's words %q", err, body.Error)
	}
}
