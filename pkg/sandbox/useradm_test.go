package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 23, 9, 0, 0, 123456789, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func TestLogin(t *testing.T) {
	c := start(t, Options{})
	tests := []struct {
		name, email, password, body string
		status                      int
		message                     string
	}{
		{"right", "admin@example.com", "correct-horse-battery", "", 200, ""},
		{"email in capitals", "ADMIN@example.com", "correct-horse-battery", "", 200, ""},
		{"wrong password", "admin@example.com", "x", "", 401, "unauthorized"},
		{"nobody", "nobody@example.com", "x", "", 401, "unauthorized"},
		{"no password", "sso@example.com", "", "", 401, "unauthorized"},
		{"without code", "2fa@example.com", "something-you-know", "", 401, "2fa needed"},
		{"wrong password, so not a word of the code", "2fa@example.com", "x", "", 401, "unauthorized"},
		{"wrong code", "2fa@example.com", "something-you-know", `{"token2fa":"654321"}`, 401, "unauthorized"},
		{"code", "2fa@example.com", "something-you-know", `{"token2fa":"123456"}`, 200, ""},
		{"torn body", "admin@example.com", "correct-horse-battery", `{"no_expiry"`, 400, "unexpected EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := c.login(tt.email, tt.password, tt.body)
			a.expect(t, tt.status, tt.message)
			if tt.status == 200 {
				c.as(a.body, "GET", useradm+"/users/me", "").expect(t, 200, "")
			}
		})
	}
}

func TestListedUsersCanLogIn(t *testing.T) {
	c := start(t, Options{})
	for _, u := range c.box.Users() {
		token := u.Token
		if u.Password != "" {
			token = c.login(u.Email, u.Password, `{"token2fa":"`+u.TwoFactorCode+`"}`).body
		}
		a := c.as(token, "GET", useradm+"/users/me", "")
		if a.status != 200 || !strings.Contains(a.body, `"email":"`+u.Email+`"`) {
			t.Errorf("%s: %d %s", u.Email, a.status, a.body)
		}
	}
}

func TestContentType(t *testing.T) {
	c := start(t, Options{})
	bearer := "Bearer " + c.token
	const body = `{"name":"ci"}`
	post := func(contentType string) answer {
		return c.do("POST", useradm+"/settings/tokens", body, "Authorization", bearer, "Content-Type", contentType)
	}
	post("text/plain").expect(t, 415, "Bad Content-Type, expected 'application/json'")
	post("").expect(t, 400, "Invalid value for Content-Type header: mime: no media type")
	post("application/json; charset=utf-8").expect(t, 200, "")
	// iot-manager accepts any content type.
	c.do("POST", iot+"/integrations", `{}`, "Authorization", bearer).
		expect(t, 400, "malformed request body: credentials: (type: cannot be blank.); provider: cannot be blank.")
}

func TestOldestSessionEnds(t *testing.T) {
	c := start(t, Options{})
	var sessions []string
	for range 10 {
		sessions = append(sessions, c.login("admin@example.com", "correct-horse-battery", "").body)
	}
	me := func(token string) answer { return c.as(token, "GET", useradm+"/users/me", "") }
	me(c.token).expect(t, 401, "unauthorized") // the client's own session was the oldest
	me(sessions[0]).expect(t, 200, "")
	me(c.login("admin@example.com", "correct-horse-battery", "").body).expect(t, 200, "")
	me(sessions[0]).expect(t, 401, "unauthorized")
	me(sessions[1]).expect(t, 200, "")
	// Another user's sessions are counted separately.
	me(c.login("reader@example.com", "only-looking-around", "").body).expect(t, 200, "")
	me(sessions[1]).expect(t, 200, "")
}

func TestTokenLimits(t *testing.T) {
	c := start(t, Options{})
	create := func(body string) answer { return c.as(c.token, "POST", useradm+"/settings/tokens", body) }
	for body, message := range map[string]string{
		`{`:                                  "cannot parse request body as json",
		`{}`:                                 "name: cannot be blank.",
		`{"name":""}`:                        "name: cannot be blank.",
		`{"name":"a","expires_in":31536001}`: "expires_in: must be no greater than 31536000.",
		`{"expires_in":-1}`:                  "expires_in: must be no less than 0; name: cannot be blank.",
	} {
		create(body).expect(t, 400, message)
	}
	create(`{"name":"a year","expires_in":31536000}`).expect(t, 200, "")
	create(`{"name":"a year"}`).expect(t, 409, "Personal Access Token with a given name already exists")
	for i := range 9 {
		create(fmt.Sprintf(`{"name":"token %d"}`, i)).expect(t, 200, "")
	}
	create(`{"name":"one more"}`).expect(t, 422, "maximum number of personal acess tokens reached for this user")
	// Tokens do not count as sessions, and sessions do not count as tokens.
	for range 9 {
		c.login("admin@example.com", "correct-horse-battery", "").expect(t, 200, "")
	}
	c.as(c.token, "GET", useradm+"/users/me", "").expect(t, 200, "")
}

func TestLogoutRevokesWhatItIsCalledWith(t *testing.T) {
	c := start(t, Options{})
	pat := c.as(c.token, "POST", useradm+"/settings/tokens", `{"name":"ci"}`).body
	list := func() string { return c.as(c.token, "GET", useradm+"/settings/tokens", "").body }
	c.as(pat, "GET", iot+"/events", "").expect(t, 200, "")
	if got := list(); !strings.Contains(got, `"name":"ci","last_used":"20`) {
		t.Errorf("tokens do not tell when ci was used: %s", got)
	}
	if a := c.as(pat, "POST", useradm+"/auth/logout", ""); a.status != 202 || a.body != "" {
		t.Errorf("logout: %d %s", a.status, a.body)
	}
	c.as(pat, "GET", iot+"/events", "").expect(t, 401, "unauthorized")
	if got := list(); got != "[]" {
		t.Errorf("tokens after logout: %s", got)
	}
}

func TestExpiry(t *testing.T) {
	now := newClock()
	c := start(t, Options{Now: now.now, SessionTTL: time.Hour})
	pat := c.as(c.token, "POST", useradm+"/settings/tokens", `{"name":"ci","expires_in":5400}`).body
	forever := c.login("admin@example.com", "correct-horse-battery", `{"no_expiry":true}`).body
	me := func(token string) answer { return c.as(token, "GET", useradm+"/users/me", "") }
	now.advance(59 * time.Minute)
	me(c.token).expect(t, 200, "")
	now.advance(2 * time.Minute)
	me(c.token).expect(t, 401, "invalid jwt")
	me(pat).expect(t, 200, "")
	now.advance(time.Hour)
	me(pat).expect(t, 401, "invalid jwt")
	me(forever).expect(t, 200, "")
	if got := c.as(forever, "GET", useradm+"/settings/tokens", "").body; got != "[]" {
		t.Errorf("expired tokens are listed: %s", got)
	}
}

func TestTokensThatAreNone(t *testing.T) {
	c := start(t, Options{})
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	other := start(t, Options{key: key})
	for header, message := range map[string]string{
		"":                        "Authorization not present in header",
		"Bearer":                  "malformed Authorization header",
		"Basic abc":               "unknown Authorization method Basic",
		"Bearer abc":              "identity: incorrect token format",
		"Bearer a.@.c":            "identity: failed to decode base64 JWT claims: illegal base64 data at input byte 0",
		"Bearer a.e30.c":          `identity: claim "sub" is required`,
		"Bearer " + other.token:   "invalid jwt",
		"Bearer " + c.token + "A": "invalid jwt",
	} {
		a := c.do("GET", iot+"/integrations", "", "Authorization", header)
		a.expect(t, 401, message)
		if asked := a.header.Get("WWW-Authenticate") != ""; asked == (message == "invalid jwt") {
			t.Errorf("%q: WWW-Authenticate is %q", message, a.header.Get("WWW-Authenticate"))
		}
	}
	// The web UI sends a cookie.
	c.do("GET", iot+"/integrations", "", "Cookie", "JWT="+c.token).expect(t, 200, "")
	// Without a token, the answer does not reveal which paths exist.
	c.do("GET", iot+"/nothing", "").expect(t, 401, "Authorization not present in header")
}

func TestReadOnlyUser(t *testing.T) {
	for _, enterprise := range []bool{false, true} {
		c := start(t, Options{Scopes: enterprise})
		token := c.login("reader@example.com", "only-looking-around", "").body
		for _, path := range []string{iot + "/integrations", iot + "/events", useradm + "/users/me", useradm + "/settings/tokens"} {
			c.as(token, "GET", path, "").expect(t, 200, "")
		}
		const id = "/integrations/7a6b6a0e-0b0c-4f57-9f2a-3e4d5a6b7c8d"
		for _, r := range [][2]string{{"POST", "/integrations"}, {"PUT", id + "/credentials"}, {"DELETE", id}} {
			c.as(token, r[0], iot+r[1], "{}").expect(t, 403, "Access denied (RBAC).")
		}
	}
}

func TestPlays(t *testing.T) {
	type me struct{ Roles []string }
	for _, enterprise := range []bool{false, true} {
		c := start(t, Options{Scopes: enterprise})
		var user me
		_ = json.Unmarshal([]byte(c.as(c.token, "GET", useradm+"/users/me", "").body), &user)
		if got := fmt.Sprint(user.Roles); enterprise != (got == "[RBAC_ROLE_PERMIT_ALL]") {
			t.Errorf("enterprise %v: roles %s", enterprise, got)
		}
		given, err := parseClaims(c.token)
		if err != nil || enterprise != (given.Tenant != "") || enterprise != (given.Plan == "enterprise") {
			t.Errorf("enterprise %v: claims %+v, %v", enterprise, given, err)
		}
		want := `{"plan":{"name":"","display_name":"","features":null}}`
		if got := c.as(c.token, "GET", useradm+"/plan_binding", "").body; enterprise == (got == want) {
			t.Errorf("enterprise %v: plan %s", enterprise, got)
		}
		c.as(c.token, "GET", useradm+"/users/nobody", "").expect(t, http.StatusNotFound, "user not found")
	}
}
