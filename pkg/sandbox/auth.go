package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

const unauthorized = "unauthorized"

// authenticate checks the token of a call in the same three steps as the
// server, each with its own error: format, then signature and expiry, then
// whether the token still exists.
func (s *Sandbox) authenticate(c *call) bool {
	jwt, err := bearer(c.r)
	var given claims
	if err == nil {
		given, err = parseClaims(jwt)
	}
	if err != nil {
		c.w.Header().Set("WWW-Authenticate", `Bearer realm="ManagementJWT"`)
		c.fail(http.StatusUnauthorized, err.Error())
		return false
	}
	now := s.now()
	if !verifySignature(&s.key.PublicKey, jwt) || (given.ExpiresAt != 0 && now.Unix() > given.ExpiresAt) {
		c.fail(http.StatusUnauthorized, "invalid jwt")
		return false
	}
	s.mu.Lock()
	if t := s.findToken(given.ID); t != nil {
		t.markUsed(now)
		c.token, c.account = t, s.findAccount(t.Account)
	}
	s.mu.Unlock()
	if c.account == nil {
		c.fail(http.StatusUnauthorized, unauthorized)
	}
	return c.account != nil
}

// bearer returns the token from the header, or from the web UI's cookie.
func bearer(r *http.Request) (string, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		cookie, err := r.Cookie("JWT")
		if err != nil {
			return "", errors.New("Authorization not present in header") //nolint:staticcheck // the server's words
		}
		return cookie.Value, nil
	}
	parts := strings.Split(header, " ")
	switch {
	case len(parts) != 2:
		return "", errors.New("malformed Authorization header")
	case !strings.EqualFold(parts[0], "Bearer"):
		return "", fmt.Errorf("unknown Authorization method %s", parts[0])
	}
	return parts[1], nil
}

// parseClaims reads the claims without checking the signature.
func parseClaims(jwt string) (claims, error) {
	var c claims
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return c, errors.New("identity: incorrect token format")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return c, fmt.Errorf("identity: failed to decode base64 JWT claims: %w", err)
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		return c, fmt.Errorf("identity: failed to decode JSON JWT claims: %w", err)
	}
	if c.Subject == "" {
		return c, errors.New("identity: claim \"sub\" is required")
	}
	return c, nil
}
