package mender

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// MaxTokenExpiry is the longest lifetime of a personal access token that
// expires.
const MaxTokenExpiry = 31536000 * time.Second

// PersonalAccessToken describes a personal access token. The token itself is
// shown only when it is created. A PersonalAccessToken from the server encodes
// to the JSON that the server sent.
type PersonalAccessToken struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// ExpiresAt is zero for a token that never expires.
	ExpiresAt time.Time `json:"expiration_date,omitzero"`
	CreatedAt time.Time `json:"created_ts,omitzero"`
	// LastUsed is accurate to five minutes. It is zero if the server does not
	// send it.
	LastUsed time.Time `json:"last_used,omitzero"`

	raw json.RawMessage
}

// Tokens lists the user's personal access tokens.
func (c *Client) Tokens(ctx context.Context) ([]PersonalAccessToken, error) {
	return list[PersonalAccessToken](ctx, c, "list the personal access tokens", useradm+"/settings/tokens")
}

// CreateToken creates a personal access token and returns it. expiresIn is
// rounded up to seconds, and 0 means never; above MaxTokenExpiry the server
// answers 400. If the name already exists, the error is ErrConflict. An eleventh
// token is refused with status 422. If the error is ErrOutcomeUnknown, the token
// may exist, but its text is lost.
func (c *Client) CreateToken(ctx context.Context, name string, expiresIn time.Duration) (jwt string, err error) {
	k := &call{
		op: "create the personal access token", method: http.MethodPost, path: useradm + "/settings/tokens",
		mayCreate: "the token may have been created",
		body: struct {
			Name      string `json:"name"`
			ExpiresIn int64  `json:"expires_in,omitempty"`
		}{name, int64((expiresIn + time.Second - 1) / time.Second)},
	}
	resp, err := c.do(ctx, k)
	if err != nil {
		return "", err
	}
	return c.jwt(k, resp)
}

// RevokeToken revokes the personal access token with an id. The server does not
// report an unknown id as an error.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	escaped, ok := pathID(id)
	k := &call{
		op: "revoke the personal access token", method: http.MethodDelete,
		path: useradm + "/settings/tokens/" + escaped, accept: []int{http.StatusNoContent},
	}
	if !ok {
		return k.notFound("there is no token with the id " + id)
	}
	_, err := c.do(ctx, k)
	return err
}

// UnmarshalJSON decodes the API's JSON and keeps a copy for MarshalJSON.
func (t *PersonalAccessToken) UnmarshalJSON(b []byte) error {
	type plain PersonalAccessToken
	*t = PersonalAccessToken{}
	if err := json.Unmarshal(b, (*plain)(t)); err != nil {
		return err
	}
	t.raw = bytes.Clone(b)
	return nil
}

// MarshalJSON returns the JSON that the server sent, or the fields of a token that
// was not read from JSON.
func (t PersonalAccessToken) MarshalJSON() ([]byte, error) {
	type plain PersonalAccessToken
	if t.raw != nil {
		return t.raw, nil
	}
	return json.Marshal(plain(t))
}
