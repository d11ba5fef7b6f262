package mender

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"
)

// errNotJWT means that a text is not a JSON Web Token. Its message does not
// quote the text, which may be a secret.
var errNotJWT = errors.New("not a token: Mender's tokens are JWTs: three parts separated by dots")

// Claims holds the claims of an access token. They are not verified: only the
// server can check the token's signature.
type Claims struct {
	// ID identifies the token (jti). For a personal access token, it is the id
	// that Tokens lists.
	ID string
	// Subject is the user's id (sub).
	Subject string
	// Tenant and Plan are the organization's id and plan; both are empty on
	// Mender Open Source.
	Tenant, Plan string
	// User reports whether the token belongs to a user rather than a device
	// (mender.user).
	User bool
	// IssuedAt and ExpiresAt are truncated to the second. A zero ExpiresAt means that
	// the token never expires.
	IssuedAt, ExpiresAt time.Time
}

// Expired reports whether the token has expired at the given time, which should
// be by the server's clock: see Client.ServerTime.
func (c Claims) Expired(at time.Time) bool {
	return !c.ExpiresAt.IsZero() && !at.Before(c.ExpiresAt)
}

// A token expires soon in the last seventh of its lifetime, but at most a week before it
// expires. For a session of a week, this is the last day; for a personal access token of two
// months or more, it is the last week.
const (
	soonShare = 7
	soonMost  = 7 * 24 * time.Hour
)

// ExpiresSoon reports whether the token is still valid at the given time but expires soon. A
// token that does not say when it was issued counts as new.
func (c Claims) ExpiresSoon(at time.Time) bool {
	left := c.ExpiresAt.Sub(at)
	if c.ExpiresAt.IsZero() || left <= 0 {
		return false
	}
	issued := c.IssuedAt
	if issued.IsZero() {
		issued = at
	}
	return left <= min(c.ExpiresAt.Sub(issued)/soonShare, soonMost)
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

// epoch converts a NumericDate, which is in seconds since 1970 (RFC 7519). A
// date after the year 9999 cannot be printed, and counts as never.
func epoch(seconds float64) time.Time {
	if seconds <= 0 || seconds > 253402300799 {
		return time.Time{}
	}
	whole, _ := math.Modf(seconds)
	return time.Unix(int64(whole), 0).UTC()
}
