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

// LoginRequest holds the parameters of Login. No fmt verb prints more than the
// email.
type LoginRequest struct {
	Email, Password string
	// TwoFactorCode is the current two-factor code (Enterprise); empty if the
	// account does not use two-factor authentication.
	TwoFactorCode string
}

// Format prints only the email, whatever the verb.
func (r LoginRequest) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "login of "+r.Email) }

// Login starts a session and returns its token. It returns ErrUnauthorized if
// the password is wrong. By default Mender allows a user ten sessions, and
// silently ends the oldest when another one starts.
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

// Logout ends the session of the client's token. Call it only with a token that
// Login returned: the server revokes a personal access token.
func (c *Client) Logout(ctx context.Context) error {
	_, err := c.do(ctx, &call{
		op: "log out", method: http.MethodPost, path: useradm + "/auth/logout",
		accept: []int{http.StatusAccepted, http.StatusOK, http.StatusNoContent},
	})
	return err
}

// User is a Mender user account. A User from the server encodes to the JSON that
// the server sent.
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

// Me returns the user that the client's token belongs to.
func (c *Client) Me(ctx context.Context) (User, error) {
	var u User
	err := c.get(ctx, "get the current user", useradm+"/users/me", &u)
	return u, err
}

// Plan describes an organization's plan and its limits. A Plan from the server
// encodes to the JSON that the server sent.
type Plan struct {
	// Name is the plan's identifier, such as "enterprise"; DisplayName is the
	// name to show to users.
	Name, DisplayName string
	// Features maps the name of each feature to whether the plan includes it.
	Features map[string]bool
	// Limits maps the name of each limit, such as "devices", to its value.
	Limits map[string]float64

	raw json.RawMessage
}

// Plan returns the organization's plan. A server without plans answers 404: the
// error is ErrNotFound, or ErrBadAnswer if a gateway answered.
func (c *Client) Plan(ctx context.Context) (Plan, error) {
	var p Plan
	err := c.get(ctx, "get the plan", useradm+"/plan_binding", &p)
	return p, err
}

// get sends a GET request and decodes the JSON value in the answer.
func (c *Client) get(ctx context.Context, op, path string, into any) error {
	k := &call{op: op, method: http.MethodGet, path: path}
	resp, err := c.do(ctx, k)
	if err != nil {
		return err
	}
	return c.decode(k, resp, into)
}

// jwt returns the token in an answer, which is either the bare token or, as the
// API's description allows, a JSON string.
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

// UnmarshalJSON decodes the API's JSON and keeps a copy for MarshalJSON.
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

// planJSON is a plan as the API encodes it.
type planJSON struct {
	Plan struct {
		Name        string          `json:"name"`
		DisplayName string          `json:"display_name"`
		Features    map[string]bool `json:"features,omitempty"`
	} `json:"plan"`
	Limits map[string]float64 `json:"limits,omitempty"`
}

// UnmarshalJSON decodes the API's JSON and keeps a copy for MarshalJSON.
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

// pathID escapes an id for use in a URL path. It returns false if the id is
// empty, "." or "..", which would change the path.
func pathID(id string) (string, bool) {
	return url.PathEscape(id), id != "" && id != "." && id != ".."
}
