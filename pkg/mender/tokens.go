package mender

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// MaxTokenExpiry is the longest that a personal access token with an expiry
// may last.
const MaxTokenExpiry = 31536000 * time.Second

// PersonalAccessToken is what the server says of a token; the token itself is
// shown only when it is made. It encodes to what the server sent.
type PersonalAccessToken struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// ExpiresAt is zero for a token that never expires.
	ExpiresAt time.Time `json:"expiration_date,omitzero"`
	CreatedAt time.Time `json:"created_ts,omitzero"`
	// LastUsed is exact to five minutes, and zero where the server does not
	// say.
	LastUsed time.Time `json:"last_used,omitzero"`

	raw json.RawMessage
}

// Tokens lists the user's personal access tokens.
func (c *Client) Tokens(ctx context.Context) ([]PersonalAccessToken, error) {
	return list[PersonalAccessToken](ctx, c, "list the personal access tokens", useradm+"/settings/tokens")
}

// CreateToken makes a personal access token and returns it. expiresIn is
// rounded up to seconds; 0 is never, and MaxTokenExpiry the most: beyond it
// the server answers 400. A name that is taken is ErrConflict; an eleventh
// token is status 422. An error that is ErrOutcomeUnknown says that the token
// may be there all the same; nobody knows its text then.
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

// RevokeToken ends a personal access token by its id. The server takes an
// unknown id without a word.
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

// UnmarshalJSON reads the API's form and keeps it.
func (t *PersonalAccessToken) UnmarshalJSON(b []byte) error {
	type plain PersonalAccessToken
	*t = PersonalAccessToken{}
	if err := json.Unmarshal(b, (*plain)(t)); err != nil {
		return err
	}
	t.raw = bytes.Clone(b)
	return nil
}

// MarshalJSON returns what the server sent; for a token that was not read from
// JSON, its fields.
func (t PersonalAccessToken) MarshalJSON() ([]byte, error) {
	type plain PersonalAccessToken
	if t.raw != nil {
		return t.raw, nil
	}
	return json.Marshal(plain(t))
}
