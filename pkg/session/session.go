// Package session starts and ends sessions: it logs in, stores the access token on this
// machine, and saves in the profile what later commands need.
package session

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
)

// LogIn logs in with email and password, and returns the session's access token. If the
// server requires a two-factor code that r does not have, LogIn gets it from askCode, unless
// that is nil.
func LogIn(ctx context.Context, client *mender.Client, r mender.LoginRequest, askCode func(context.Context) (string, error)) (token string, err error) {
	token, err = client.Login(ctx, r)
	if wantsCode(err) && r.TwoFactorCode == "" && askCode != nil {
		if r.TwoFactorCode, err = askCode(ctx); err != nil {
			return "", err
		}
		r.TwoFactorCode = strings.TrimSpace(r.TwoFactorCode)
		token, err = client.Login(ctx, r)
	}
	return token, explainLogin(err, r.TwoFactorCode != "")
}

// wantsCode reports whether the server requires a two-factor code. Mender's web UI
// recognizes it the same way.
func wantsCode(err error) bool {
	var api *mender.Error
	return errors.Is(err, mender.ErrUnauthorized) && errors.As(err, &api) && strings.Contains(strings.ToLower(api.Message), "2fa")
}

func explainLogin(err error, withCode bool) error {
	switch {
	case !errors.Is(err, mender.ErrUnauthorized):
		return err
	case wantsCode(err):
		return fault.WithHint(err, "the account uses two-factor authentication: pass --2fa-code CODE")
	case withCode:
		return fault.WithHint(err, "check email, password and two-factor code; a code is valid for about 30 seconds")
	}
	return fault.WithHint(err, "check email and password. Single sign-on users have no password: "+
		"create a personal access token in Mender's web UI (My profile) and pass it to `mender-webhooks login --token-stdin`")
}

// Owner asks the server which user a personal access token belongs to, and returns the email
// address. A text that is not a token is a usage error. now is the time by this machine's
// clock.
func Owner(ctx context.Context, client *mender.Client, token string, now time.Time) (email string, err error) {
	claims, err := mender.ParseClaims(token)
	if err != nil {
		return "", fault.Usagef("invalid token: %w", err)
	}
	me, err := client.WithToken(token).Me(ctx)
	if errors.Is(err, mender.ErrUnauthorized) {
		hint := "the token belongs to another server or was revoked: check --server, or create a new token in Mender's web UI under My profile"
		if claims.Expired(now) {
			hint = "the token expired on " + output.Time(claims.ExpiresAt, false) + "; create a new one in Mender's web UI under My profile"
		}
		return "", fault.WithHint(err, "%s", hint)
	}
	return me.Email, err
}

// Save stores the account's token. If the token of a session cannot be stored, Save ends the
// session, which would only count toward the server's limit.
func Save(ctx context.Context, store *secret.Store, client *mender.Client, account config.Account, origin secret.Origin) (secret.Saved, error) {
	token := account.Token.Value
	saved, err := store.Set(ctx, secret.Entry{Info: secret.Info{Key: secret.TokenKey(account), Origin: origin}, Value: token})
	if err != nil && origin == secret.Login {
		_ = client.WithToken(token).Logout(context.WithoutCancel(ctx))
	}
	return saved, err
}

// Delete deletes a stored token from this machine. If it belongs to a session, Delete first
// ends the session on the server, with a client that has no token. If that fails, the token
// is still deleted, and ending says why; err means that it remains stored.
func Delete(ctx context.Context, store *secret.Store, entry secret.Entry, connect func() (*mender.Client, error)) (ending, err error) {
	if entry.Origin == secret.Login {
		client, err := connect()
		if err == nil {
			err = client.WithToken(entry.Value).Logout(ctx)
		}
		if !errors.Is(err, mender.ErrUnauthorized) { // else it has already ended
			ending = err
		}
	}
	return ending, store.Delete(context.WithoutCancel(ctx), entry.Key)
}
