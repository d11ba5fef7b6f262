package mender

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/httpclient"
)

func TestAnswersThatAreNotMenders(t *testing.T) {
	html := map[string]string{"Content-Type": "text/html"}
	for name, test := range map[string]struct {
		status  int
		headers map[string]string
		body    string
		is      error
		not     error
		says    string
	}{
		"HTML":              {200, html, "<!DOCTYPE html><h1>Welcome</h1>", ErrBadAnswer, nil, "web page"},
		"HTML as JSON":      {200, nil, "\n<html>", ErrBadAnswer, nil, "web page"},
		"truncated JSON":    {200, nil, `[{"id":"a","provider":"webh`, ErrBadAnswer, nil, "truncated"},
		"empty":             {200, nil, "", ErrBadAnswer, nil, "empty"},
		"other JSON":        {200, nil, `{"hello":"world"}`, ErrBadAnswer, nil, "unexpected answer from"},
		"text":              {200, nil, "hello", ErrBadAnswer, nil, "unexpected answer from"},
		"another status":    {202, nil, "[]", ErrBadAnswer, nil, "202"},
		"gateway's 404":     {404, html, "<html>", ErrBadAnswer, ErrNotFound, "right server"},
		"bare 404":          {404, nil, "404 page not found", ErrBadAnswer, ErrNotFound, "right server"},
		"gateway's 502":     {502, nil, "", ErrUnreachable, nil, "502 Bad Gateway: a gateway answered"},
		"gateway's HTML":    {502, html, "<h1>Bad gateway</h1>", ErrUnreachable, nil, "web page"},
		"401 without words": {401, nil, "", ErrUnauthorized, nil, "401 Unauthorized"},
		"403":               {403, nil, `{"error":"access denied (RBAC)","request_id":"in-body"}`, ErrForbidden, nil, "access denied"},
		"strange status":    {599, nil, "", ErrUnreachable, nil, "599"},
		"error no string":   {400, nil, `{"error":{"a":1}}`, nil, nil, "400"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlayer(t)
			c := testClient(t, p.URL, func(o *Options) { o.Retry.Retries = -1 })
			p.play.Response.Status, p.play.Response.Headers, p.play.Response.Body = test.status, test.headers, test.body
			_, err := c.Integrations(t.Context())
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error: %v", err)
			}
			if test.is != nil && !errors.Is(err, test.is) || test.not != nil && errors.Is(err, test.not) {
				t.Errorf("%v is of another kind", err)
			}
			if !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q does not say %q in one line", err, test.says)
			}
			want := p.got.Header.Get("X-Men-Requestid") // the answer has none of its own
			if strings.Contains(test.body, "in-body") {
				want = "in-body"
			}
			if e.RequestID != want || want == "" {
				t.Errorf("request id %q, want %q", e.RequestID, want)
			}
		})
	}
}

// TestNullIsAnEmptyList checks that null becomes an empty list, so that callers
// print [] and never null.
func TestNullIsAnEmptyList(t *testing.T) {
	p := newPlayer(t)
	p.play.Response.Status, p.play.Response.Body = 200, " null\n"
	c := testClient(t, p.URL)
	if all, err := c.Integrations(t.Context()); err != nil || all == nil || len(all) > 0 {
		t.Errorf("integrations: %#v, %v", all, err)
	}
	if all, err := c.Tokens(t.Context()); err != nil || all == nil || len(all) > 0 {
		t.Errorf("tokens: %#v, %v", all, err)
	}
	if page, err := c.EventsPage(t.Context(), "", 1, 20); err != nil || !page.empty {
		t.Errorf("events: %#v, %v", page, err)
	}
}

// TestProxyRefusalIsNotRetried checks that a proxy's refusal is not retried: it
// would refuse the same password again.
func TestProxyRefusalIsNotRetried(t *testing.T) {
	requests := 0
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	defer proxy.Close()
	transport := httpclient.Transport(nil)
	transport.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }
	for _, server := range []string{"https://mender.example", "http://mender.example"} {
		requests = 0
		c := testClient(t, server, func(o *Options) { o.AllowHTTP, o.Transport = true, transport })
		_, err := c.Integrations(t.Context())
		if requests != 1 || fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "proxy") || !strings.Contains(fault.HintOf(err), "HTTPS_PROXY") {
			t.Errorf("%s: %d requests, %v", server, requests, err)
		}
	}
}

func TestOversizedAnswer(t *testing.T) {
	var sent int
	p := newPlayer(t)
	p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chunk := make([]byte, 1<<20)
		for r.Context().Err() == nil && sent < 1<<30 {
			n, err := w.Write(chunk)
			if sent += n; err != nil {
				return
			}
		}
	})
	c := testClient(t, p.URL)
	if _, err := c.Integrations(t.Context()); !errors.Is(err, ErrBadAnswer) || !strings.Contains(err.Error(), "32 MiB") {
		t.Errorf("error: %v", err)
	}
	p.Close()
	if sent > maxAnswer*2 {
		t.Errorf("%d bytes were read", sent)
	}
}

func TestOneIDForACall(t *testing.T) {
	ids := map[string]int{}
	p := newPlayer(t)
	p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ids[r.Header.Get("X-MEN-RequestID")]++
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	c := testClient(t, p.URL)
	_, _ = c.Integrations(t.Context())
	_, _ = c.Integrations(t.Context())
	if len(ids) != 2 {
		t.Errorf("ids: %v", ids)
	}
	for id, n := range ids {
		if len(id) != 36 || n != 4 {
			t.Errorf("id %q was returned %d times", id, n)
		}
	}
}

func TestServerTime(t *testing.T) {
	here := time.Date(2026, 11, 23, 12, 0, 0, 700e6, time.UTC)
	for date, want := range map[string]time.Duration{
		"Mon, 23 Nov 2026 12:00:00 GMT": 0, // the current second
		"Mon, 23 Nov 2026 12:00:02 GMT": 1300 * time.Millisecond,
		"Mon, 23 Nov 2026 11:00:00 GMT": -time.Hour + 300*time.Millisecond,
	} {
		p := newPlayer(t)
		p.play.Response.Status, p.play.Response.Body = 200, "[]"
		p.play.Response.Headers = map[string]string{"Date": date}
		c := testClient(t, p.URL, func(o *Options) { o.Now = func() time.Time { return here } })
		if _, known := c.ClockSkew(); known {
			t.Error("the skew is known before the first answer")
		}
		got, err := c.ServerTime(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if skew := got.Sub(here); (skew - want).Abs() > 300*time.Millisecond {
			t.Errorf("%s: skew %v, want %v", date, skew, want)
		}
		if _, err := c.ServerTime(t.Context()); err != nil || p.n != 1 {
			t.Errorf("asked %d times, %v", p.n, err)
		}
	}
}

func TestRequestsOfAccess(t *testing.T) {
	p := newPlayer(t)
	c := testClient(t, p.URL)
	p.play.Response.Status, p.play.Response.Body = 200, testToken+"\n"
	check := func(method, path, body, contentType, authorization string) {
		t.Helper()
		got := []string{p.got.Method, p.got.URL.Path, p.body, p.got.Header.Get("Content-Type"), p.got.Header.Get("Authorization")}
		for i, want := range []string{method, useradm + path, body, contentType, authorization} {
			if got[i] != want {
				t.Errorf("got %q, want %q", got[i], want)
			}
		}
	}
	login := LoginRequest{Email: "a@x.example", Password: "p:w"}
	if token, err := c.Login(t.Context(), login); err != nil || token != testToken {
		t.Errorf("%q, %v", token, err)
	}
	check("POST", "/auth/login", "", "", "Basic YUB4LmV4YW1wbGU6cDp3")
	login.TwoFactorCode = "123456"
	_, _ = c.Login(t.Context(), login)
	check("POST", "/auth/login", `{"token2fa":"123456"}`, "application/json", "Basic YUB4LmV4YW1wbGU6cDp3")
	if token, err := c.CreateToken(t.Context(), "ci", 90*time.Minute+time.Nanosecond); err != nil || token != testToken {
		t.Errorf("%q, %v", token, err)
	}
	check("POST", "/settings/tokens", `{"name":"ci","expires_in":5401}`, "application/json", "Bearer "+testToken)
	_, _ = c.CreateToken(t.Context(), "ci", 0)
	check("POST", "/settings/tokens", `{"name":"ci"}`, "application/json", "Bearer "+testToken)
	p.play.Response.Body = "welcome"
	if _, err := c.Login(t.Context(), login); !errors.Is(err, ErrBadAnswer) || strings.Contains(err.Error(), "welcome") {
		t.Errorf("a login that gives no token: %v", err)
	}
	if _, err := c.CreateToken(t.Context(), "ci", 0); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("a token that is none: %v", err)
	}
	p.n = 0
	for _, id := range []string{"", ".", ".."} {
		if c.RevokeToken(t.Context(), id) == nil || c.DeleteIntegration(t.Context(), id) == nil || p.n > 0 {
			t.Errorf("the id %q was sent", id)
		}
	}
	p.play.Response.Body = `{"id":"u","email":"e","roles":["RBAC_ROLE_PERMIT_ALL"],"new":1}`
	if u, err := c.Me(t.Context()); err != nil || len(u.Roles) != 1 {
		t.Errorf("%v, %v", u, err)
	}
	p.play.Response.Body = `{"plan":{"name":"enterprise","display_name":"Enterprise","features":{"rbac":true}},"limits":{"devices":10}}`
	if plan, err := c.Plan(t.Context()); err != nil || plan.Name != "enterprise" || !plan.Features["rbac"] || plan.Limits["devices"] != 10 {
		t.Errorf("%v, %v", plan, err)
	}
}

func TestParseClaims(t *testing.T) {
	c, err := ParseClaims(testToken)
	if err != nil || c.ID != "a" || c.Subject != "user" || !c.User || c.Tenant != "" || c.ExpiresAt.Unix() != 4102444800 || c.IssuedAt.Unix() != 1795427674 {
		t.Errorf("%+v, %v", c, err)
	}
	if c.Expired(c.ExpiresAt.Add(-time.Second)) || !c.Expired(c.ExpiresAt) || (Claims{}).Expired(time.Now()) {
		t.Error("expiry is off")
	}
	for _, text := range []string{"", "a.b.c", "abc", strings.TrimSuffix(testToken, "c2lnbmF0dXJl"), testToken + ".x", "e30.e30.x"} {
		if _, err := ParseClaims(text); !errors.Is(err, errNotJWT) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
