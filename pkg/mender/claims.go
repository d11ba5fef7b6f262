package mender

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"
)

// errNotJWT means that a text is not a JSON Web Token. It does not quote the
// text.
var errNotJWT = errors.New("not a token: Mender's tokens are JWTs, three parts joined by dots")

// Claims are the claims of a token. Only the server can check its signature.
type Claims struct {
	// ID identifies the token (jti); Tokens lists a personal access token under
	// this id.
	ID string
	// Subject is the user's id (sub).
	Subject string
	// Tenant and Plan are the organization's id and plan; empty with Mender Open
	// Source.
	Tenant, Plan string
	// User is true for a user's token and false for a device's (mender.user).
	User bool
	// IssuedAt and ExpiresAt have a resolution of a second. A zero ExpiresAt means
	// never.
	IssuedAt, ExpiresAt time.Time
}

// Expired reports whether the token has expired at a time, which should be the
// server's: see Client.ServerTime.
func (c Claims) Expired(at time.Time) bool {
	return !c.ExpiresAt.IsZero() && !at.Before(c.ExpiresAt)
}

// ParseClaims returns a token's claims, or an error if the text is not a token.
// It does not check the signature.
func ParseClaims(token string) (Claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[2] == "" {
		return Claims{}, errNotJWT
	}
	var head map[string]json.RawMessage
	if err := decodePart(parts[0], &head); err != nil || head["alg"] == nil {
		return Claims{}, errNotJWT
	}
	var body struct {
		ID      string  `json:"jti"`
		Subject string  `json:"sub"`
		Tenant  string  `json:"mender.tenant"`
		Plan    string  `json:"mender.plan"`
		User    bool    `json:"mender.user"`
		Issued  float64 `json:"iat"`
		Expires float64 `json:"exp"`
	}
	if err := decodePart(parts[1], &body); err != nil {
		return Claims{}, errNotJWT
	}
	return Claims{
		ID: body.ID, Subject: body.Subject, Tenant: body.Tenant, Plan: body.Plan, User: body.User,
		IssuedAt: epoch(body.Issued), ExpiresAt: epoch(body.Expires),
	}, nil
}

func decodePart(part string, into any) error {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "="))
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// epoch reads a NumericDate. A date after the year 9999, which cannot be
// printed, counts as never.
func epoch(seconds float64) time.Time {
	if seconds <= 0 || seconds > 253402300799 {
		return time.Time{}
	}
	whole, _ := math.Modf(seconds)
	return time.Unix(int64(whole), 0).UTC()
}
