package cli

import (
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// warnExpiry warns if a token expires soon. It ignores a token without readable claims,
// because the server will refuse it.
func (a *App) warnExpiry(t config.Token) {
	claims, err := mender.ParseClaims(t.Value)
	if err == nil && claims.ExpiresSoon(a.Now()) {
		a.Warn("the token (from %s) expires in %s, on %s; %s", t.From, output.Duration(claims.ExpiresAt.Sub(a.Now())),
			a.Time(claims.ExpiresAt), Renewal(t))
	}
}

// Renewal explains how to replace a token, which depends on its origin.
func Renewal(t config.Token) string {
	switch t.Source {
	case config.SourceStored:
		return "get a new one with `mender-webhooks login`"
	case config.SourceMenderCLI:
		return "log in again with `mender-cli login`, or with `mender-webhooks login`"
	case config.SourceNone, config.SourceDefault, config.SourceGenerated:
		return "log in with `mender-webhooks login`"
	}
	return "create a new one with `mender-webhooks token create` or in Mender's web UI and replace it, or remove it and run `mender-webhooks login`"
}
