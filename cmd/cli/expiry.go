package cli

import (
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// The last part of a token's life in which every command warns: a seventh of
// it, a week at most. That is a day for a session of a week, and a week for a
// personal access token of two months or more.
const (
	warnShare = 7
	warnMost  = 7 * 24 * time.Hour
)

// ExpiresSoon reports whether a token that still holds will soon do so no
// longer. One that does not say when it was made counts as new.
func ExpiresSoon(c mender.Claims, now time.Time) bool {
	left := c.ExpiresAt.Sub(now)
	if c.ExpiresAt.IsZero() || left <= 0 {
		return false
	}
	issued := c.IssuedAt
	if issued.IsZero() {
		issued = now
	}
	return left <= min(c.ExpiresAt.Sub(issued)/warnShare, warnMost)
}

// warnExpiry warns in good time before a token expires. What is not a token
// of Mender's is the server's to refuse.
func (a *App) warnExpiry(t config.Token) {
	claims, err := mender.ParseClaims(t.Value)
	if err == nil && ExpiresSoon(claims, a.Now()) {
		a.Warn("the token (from %s) expires in %s, on %s; %s", t.From, output.Duration(claims.ExpiresAt.Sub(a.Now())),
			output.Time(claims.ExpiresAt, true), Renewal(t))
	}
}

// Renewal is how one gets another token to the place this one came from.
func Renewal(t config.Token) string {
	switch t.Source {
	case config.SourceStored:
		return "`mender-webhooks login` gets a new one"
	case config.SourceMenderCLI:
		return "log in again with `mender-cli login`, or with `mender-webhooks login`"
	case config.SourceNone, config.SourceDefault, config.SourceGenerated:
		return "log in with `mender-webhooks login`"
	}
	return "make a new one (`mender-webhooks token create`, or Mender's web UI) and put it there, or leave it out and use `mender-webhooks login`"
}
