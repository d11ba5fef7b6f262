package mender

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"
)

// ErrNotJWT says that a text is no JSON Web Token. It does not quote it.
var ErrNotJWT = errors.New("not a token: Mender's tokens are JWTs, three parts joined by dots")

// Claims is what a token says of itself. Nothing here checks its signature:
// only the server can.
type Claims struct {
	// ID identifies the token (jti); for a personal access token it is the
	// id under which Tokens lists it.
	ID string
	// Subject is the user's id (sub).
	Subject string
	// Tenant and Plan are the organization's id and plan. Mender Open
	// Source has neither.
	Tenant, Plan string
	// User tells a user's token from a device's (mender.user).
	User bool
	// IssuedAt and ExpiresAt are to the second. A zero ExpiresAt is never.
	IssuedAt, ExpiresAt time.Time
}

// Expired reports whether the token has run out at a time, which should be
// the server's: see Client.ServerTime.
func (c Claims) Expired(at time.Time) bool {
	return !c.ExpiresAt.IsZero() && !at.Before(c.ExpiresAt)
}

// ParseClaims reads a token's claims, without checking its signature. The
// error is ErrNotJWT.
func ParseClaims(token string) (Claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[2] == "" {
		return Claims{}, ErrNotJWT
	}
	var head map[string]json.RawMessage
	if err := decodePart(parts[0], &head); err != nil || head["alg"] == nil {
		return Claims{}, ErrNotJWT
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
		return Claims{}, ErrNotJWT
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

// epoch reads a NumericDate. One beyond what a time can be printed as (year
// 9999) is as good as never.
func epoch(seconds float64) time.Time {
	if seconds <= 0 || seconds > 253402300799 {
		return time.Time{}
	}
	whole, _ := math.Modf(seconds)
	return time.Unix(int64(whole), 0).UTC()
}
