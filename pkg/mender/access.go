package mender

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/go-resty/resty/v2"
)

// LoginRequest is the request of Login. Formatted with any verb of fmt it shows
// only the email.
type LoginRequest struct {
	Email, Password string
	// TwoFactorCode is the code of an account with two-factor authentication
	// (Enterprise), or empty.
	TwoFactorCode string
}

// Format prints only the email, whatever the verb.
func (r LoginRequest) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "login of "+r.Email) }

// Login starts a session and returns its token. A wrong password is
// ErrUnauthorized. By default a user has at most ten sessions: Mender silently
// ends the oldest.
func (c *Client) Login(ctx context.Context, r LoginRequest) (token string, err error) {
	k := &call{
		op: "log in", method: http.MethodPost, path: useradm + "/auth/login",
		user: r.Email, password: r.Password, secrets: []string{r.TwoFactorCode},
	}
	if r.TwoFactorCode != "" {
		k.body = map[string]string{"token2fa": r.TwoFactorCode}
	}
	resp, err := c.do(ctx, k)
	if err != nil {
		return "", err
	}
	return c.jwt(k, resp)
}

// Logout ends the session of the client's token. The server revokes a personal
// access token: log out only tokens that Login returned.
func (c *Client) Logout(ctx context.Context) error {
	_, err := c.do(ctx, &call{
		op: "log out", method: http.MethodPost, path: useradm + "/auth/logout",
		accept: []int{http.StatusAccepted, http.StatusOK, http.StatusNoContent},
	})
	return err
}

// User is a user. A User from the server encodes to the JSON that it sent.
type User struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	// Roles are the ids of the user's roles (Enterprise).
	Roles     []string  `json:"roles,omitempty"`
	CreatedAt time.Time `json:"created_ts,omitzero"`
	UpdatedAt time.Time `json:"updated_ts,omitzero"`
	LoginAt   time.Time `json:"login_ts,omitzero"`

	raw json.RawMessage
}

// Me returns the user of the client's token.
func (c *Client) Me(ctx context.Context) (User, error) {
	var u User
	err := c.get(ctx, "ask who is logged in", useradm+"/users/me", &u)
	return u, err
}

// Plan is an organization's plan with its limits. A Plan from the server encodes
// to the JSON that it sent.
type Plan struct {
	// Name is the plan's own name, such as "enterprise"; DisplayName is for
	// people.
	Name, DisplayName string
	// Features are true if the plan includes them.
	Features map[string]bool
	// Limits are numbers by name, such as "devices".
	Limits map[string]float64

	raw json.RawMessage
}

// Plan returns the organization's plan. A server without plans answers 404, which
// is ErrNotFound or, from a gateway, ErrBadAnswer.
func (c *Client) Plan(ctx context.Context) (Plan, error) {
	var p Plan
	err := c.get(ctx, "ask for the plan", useradm+"/plan_binding", &p)
	return p, err
}

// get makes a call that reads one JSON value.
func (c *Client) get(ctx context.Context, op, path string, into any) error {
	k := &call{op: op, method: http.MethodGet, path: path}
	resp, err := c.do(ctx, k)
	if err != nil {
		return err
	}
	return c.decode(k, resp, into)
}

// jwt reads an answer that is a token: bare, or as a JSON string, which the API's
// description allows.
func (c *Client) jwt(k *call, resp *resty.Response) (string, error) {
	token := string(bytes.TrimSpace(resp.Body()))
	var text string
	if json.Unmarshal([]byte(token), &text) == nil {
		token = text
	}
	if _, err := ParseClaims(token); err != nil {
		return "", c.badAnswer(k, resp, errors.New("it is not a token"))
	}
	return token, nil
}

// UnmarshalJSON reads the API's JSON and retains it.
func (u *User) UnmarshalJSON(b []byte) error {
	type plain User
	*u = User{}
	if err := json.Unmarshal(b, (*plain)(u)); err != nil {
		return err
	}
	u.raw = bytes.Clone(b)
	return nil
}

// MarshalJSON returns the JSON that the server sent, or the fields of a User that
// was not read from JSON.
func (u User) MarshalJSON() ([]byte, error) {
	type plain User
	if u.raw != nil {
		return u.raw, nil
	}
	return json.Marshal(plain(u))
}

// planJSON is the API's form of a plan.
type planJSON struct {
	Plan struct {
		Name        string          `json:"name"`
		DisplayName string          `json:"display_name"`
		Features    map[string]bool `json:"features,omitempty"`
	} `json:"plan"`
	Limits map[string]float64 `json:"limits,omitempty"`
}

// UnmarshalJSON reads the API's JSON and retains it.
func (p *Plan) UnmarshalJSON(b []byte) error {
	var j planJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*p = Plan{
		Name: j.Plan.Name, DisplayName: j.Plan.DisplayName, Features: j.Plan.Features, Limits: j.Limits,
		raw: bytes.Clone(b),
	}
	return nil
}

// MarshalJSON returns the JSON that the server sent, or the fields of a Plan that
// was not read from JSON.
func (p Plan) MarshalJSON() ([]byte, error) {
	if p.raw != nil {
		return p.raw, nil
	}
	j := planJSON{Limits: p.Limits}
	j.Plan.Name, j.Plan.DisplayName, j.Plan.Features = p.Name, p.DisplayName, p.Features
	return json.Marshal(j)
}

// pathID escapes an id for a path. It returns false for an id that would change
// the path.
func pathID(id string) (string, bool) {
	return url.PathEscape(id), id != "" && id != "." && id != ".."
}
