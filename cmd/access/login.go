// Package access implements the commands for accounts, tokens, settings and secrets:
// login, logout, whoami, token, config, secret, doctor and api.
package access

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
)

type loginOptions struct {
	username      string
	code          string
	passwordStdin bool
	tokenStdin    bool
}

// NewLoginCmd returns the login command.
func NewLoginCmd(a *cli.App) *cobra.Command {
	o := loginOptions{}
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Log in to a Mender server",
		Long: `Log in with email, password and, if the account uses it, a two-factor code. Or
pass a personal access token with --token-stdin, for example for single
sign-on. The token is saved in the system's keyring, or in a private file if
there is no keyring or with --no-keyring. There is one token for each server
and profile.

The profile saves --server, --ca-cert and the email, so that later commands do
not need them.

Mender allows ten sessions per user; another login ends the oldest one. In a
pipeline, use a personal access token instead: see ` + "`token create`.",
		Example: `  mender-webhooks login
  mender-webhooks login --server mender.example.com --profile lab
  mender-webhooks login --username admin@example.com --password-stdin < password
  mender-webhooks login --token-stdin < personal-access-token`,
		Args: cli.Args(0, 0, "no arguments, only flags"),
		PreRunE: cli.Rules{Against: map[string][]string{
			"token-stdin": {"username", "password-stdin", "2fa-code"},
		}}.Check,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runLogin(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.username, "username", "", "`EMAIL` address of the user")
	f.BoolVar(&o.passwordStdin, "password-stdin", false, "read the password from stdin")
	f.StringVar(&o.code, "2fa-code", "", "two-factor `CODE`")
	f.BoolVar(&o.tokenStdin, "token-stdin", false, "read a personal access token from stdin instead of logging in with a password")
	return cmd
}

func runLogin(ctx context.Context, a *cli.App, o loginOptions) error {
	set, err := a.Load(config.Input{NoToken: true, NewProfile: true})
	if err != nil {
		return err
	}
	if err := a.CheckStore(ctx, set); err != nil {
		return err
	}
	client, err := a.NewClient(set, "")
	if err != nil {
		return err
	}
	if a.Interactive() {
		a.SayAlways("logging in to " + output.Safe(serverAndProfile(set)))
	}
	entry := secret.Entry{Info: secret.Info{Key: cli.TokenKey(set), Origin: secret.Login}}
	who := ""
	if o.tokenStdin {
		entry.Origin = secret.Given
		entry.Value, who, err = takeToken(ctx, a, client)
	} else {
		entry.Value, who, err = startSession(ctx, a, client, o, set.Username)
	}
	if err != nil {
		return err
	}
	saved, err := a.Store(set).Set(ctx, entry)
	if err != nil {
		if entry.Origin == secret.Login {
			// Without its token, the session would only count toward the server's limit.
			_ = client.WithToken(entry.Value).Logout(context.WithoutCancel(ctx))
		}
		return err
	}
	a.Say("logged in to %s as %s%s", serverAndProfile(set), who, untilText(entry.Value))
	a.Say("the token is saved in %s", saved)
	rememberLogin(ctx, a, set, who, entry.Value)
	return warnOutranked(a, entry.Value)
}

// serverAndProfile returns the server that gets the password, and the profile that the token
// is saved for.
func serverAndProfile(set *config.Settings) string {
	return output.MaskURL(set.Server) + " (profile " + set.Profile + ")"
}

// untilText returns the part of a message that says when a token expires, or "".
func untilText(token string) string {
	claims, err := mender.ParseClaims(token)
	if err != nil || claims.ExpiresAt.IsZero() {
		return ""
	}
	return ", until " + output.Time(claims.ExpiresAt, false)
}

// takeToken reads a personal access token and asks the server which user it belongs to.
func takeToken(ctx context.Context, a *cli.App, client *mender.Client) (token, who string, err error) {
	token, err = a.ReadSecretInput(ctx, "Personal access token")
	if err != nil {
		return "", "", err
	}
	token = strings.TrimSpace(token)
	claims, err := mender.ParseClaims(token)
	if err != nil {
		return "", "", cli.Usagef("invalid token: %w", err)
	}
	me, err := client.WithToken(token).Me(ctx)
	if errors.Is(err, mender.ErrUnauthorized) {
		hint := "the token belongs to another server or was revoked: check --server, or create a new token in Mender's web UI under My profile"
		if claims.Expired(a.Now()) {
			hint = "the token expired on " + a.Time(claims.ExpiresAt) + "; create a new one in Mender's web UI under My profile"
		}
		return "", "", cli.Hinted(err, "%s", hint)
	}
	return token, me.Email, err
}

// startSession logs in with email and password, and asks for the two-factor code if
// the server requires one.
func startSession(ctx context.Context, a *cli.App, client *mender.Client, o loginOptions, suggested string) (token, who string, err error) {
	r := mender.LoginRequest{Email: o.username, TwoFactorCode: o.code}
	switch {
	case r.Email != "":
	case a.Interactive() && !o.passwordStdin:
		if r.Email, err = a.Ask(ctx, "Email", suggested); err != nil {
			return "", "", err
		}
	case suggested != "":
		r.Email = suggested
	default:
		return "", "", cli.Hinted(cli.Usagef("email address required, but stdin is not a terminal"),
			"pass --username EMAIL and --password-stdin, or --token-stdin for a personal access token")
	}
	switch {
	case o.passwordStdin:
		r.Password, err = a.ReadSecretInput(ctx, "Password")
	case a.Interactive():
		r.Password, err = a.AskSecret(ctx, "Password")
	default:
		err = cli.Hinted(cli.Usagef("password required, but stdin is not a terminal"), "pass --password-stdin")
	}
	if err != nil {
		return "", "", err
	}
	token, err = client.Login(ctx, r)
	if wantsCode(err) && r.TwoFactorCode == "" && a.Interactive() {
		if r.TwoFactorCode, err = a.AskSecret(ctx, "Two-factor code"); err != nil {
			return "", "", err
		}
		r.TwoFactorCode = strings.TrimSpace(r.TwoFactorCode)
		token, err = client.Login(ctx, r)
	}
	return token, r.Email, explainLogin(err, r.TwoFactorCode != "")
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
		return cli.Hinted(err, "the account uses two-factor authentication: pass --2fa-code CODE")
	case withCode:
		return cli.Hinted(err, "check email, password and two-factor code; a code is valid for about 30 seconds")
	}
	return cli.Hinted(err, "check email and password. Single sign-on users have no password: "+
		"create a personal access token in Mender's web UI (My profile) and pass it to `mender-webhooks login --token-stdin`")
}

// rememberLogin saves the server, certificate authority, email and organization in
// the profile, for later commands. It does not save values from the environment, and
// does not change a server that the profile already has.
func rememberLogin(ctx context.Context, a *cli.App, set *config.Settings, email, token string) {
	file := config.NewFile(set.ConfigFile)
	for _, v := range set.Values() {
		if v.Source != config.SourceFlag || (v.Key != "server" && v.Key != "ca-cert") {
			continue
		}
		if v.Key == "ca-cert" {
			if path, err := filepath.Abs(v.Text); err == nil {
				v.Text = path
			}
		}
		has, err := file.Get(set.Profile, v.Key)
		switch {
		case errors.Is(err, config.ErrNotSet):
			rememberSetting(ctx, a, file, set.Profile, v.Key, v.Text)
		case err == nil && has != v.Text && v.Key == "server":
			a.Warn("profile %s keeps its server %s: pass --server %s to later commands, or log in again with --profile NAME to use a separate profile",
				set.Profile, has, v.Text)
		}
	}
	// Saving the email also creates the profile, so that --profile can select it later.
	if has, err := file.Get(set.Profile, "username"); email != "" && (err != nil || has != email) {
		rememberSetting(ctx, a, file, set.Profile, "username", email)
	}
	// The organization selects the webhook secrets when there is no token.
	claims, _ := mender.ParseClaims(token) // a token without claims names no organization
	if has, err := file.Get(set.Profile, "organization"); claims.Tenant != "" && (err != nil || has != claims.Tenant) {
		rememberSetting(ctx, a, file, set.Profile, "organization", claims.Tenant)
	}
}

func rememberSetting(ctx context.Context, a *cli.App, file config.File, profile, key, value string) {
	if err := file.Set(ctx, profile, key, value); err != nil {
		a.Warn("cannot save %[2]s in profile %[1]s, so pass it to later commands: %[3]v", profile, key, err)
	}
}

// warnOutranked warns if another token takes precedence over the one that was just
// saved.
func warnOutranked(a *cli.App, token string) error {
	set, err := a.Settings()
	if err != nil {
		return err
	}
	if set.Token.Value != token {
		a.Warn("commands still use the token from %s, which takes precedence", set.Token.From)
	}
	return nil
}
