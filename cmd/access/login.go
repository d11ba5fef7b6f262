// Package access has the commands for accounts, tokens, settings and secrets,
// and for finding out what is wrong with them: login, logout, whoami, token,
// config, secret and doctor.
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
		Long: `Log in with email and password, and with the two-factor code where the account
has one; or hand over a personal access token with --token-stdin, which is the
way for single sign-on too. The token is checked and then kept in the system's
keyring, or, where there is none to use or with --no-keyring, in a file that
you alone can read. There is one token for each server and profile.

The server, an authority (--ca-cert) and the email that were given by hand are
written into the profile, so that later commands need them no more.

Mender keeps ten sessions of a user: one more ends the oldest. A pipeline that
runs often therefore better uses a personal access token: see ` + "`token create`.",
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
	f.StringVar(&o.username, "username", "", "the user's `EMAIL` address")
	f.BoolVar(&o.passwordStdin, "password-stdin", false, "read the password from stdin")
	f.StringVar(&o.code, "2fa-code", "", "the two-factor `CODE`, for accounts that have one")
	f.BoolVar(&o.tokenStdin, "token-stdin", false, "read a personal access token from stdin, in place of email and password")
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
			// A session that nobody has the token of would push out another.
			_ = client.WithToken(entry.Value).Logout(context.WithoutCancel(ctx))
		}
		return err
	}
	a.Say("logged in to %s as %s%s", set.Server, who, untilText(entry.Value))
	a.Say("the token is kept in %s", saved)
	rememberLogin(ctx, a, set, who, entry.Value)
	return warnOutranked(a, entry.Value)
}

// untilText says until when a token holds.
func untilText(token string) string {
	claims, err := mender.ParseClaims(token)
	if err != nil || claims.ExpiresAt.IsZero() {
		return ""
	}
	return ", until " + output.Time(claims.ExpiresAt, false)
}

// takeToken reads a personal access token, and asks the server whose it is.
func takeToken(ctx context.Context, a *cli.App, client *mender.Client) (token, who string, err error) {
	token, err = a.ReadSecretInput(ctx, "Personal access token")
	if err != nil {
		return "", "", err
	}
	token = strings.TrimSpace(token)
	claims, err := mender.ParseClaims(token)
	if err != nil {
		return "", "", cli.Usagef("what was given is %w", err)
	}
	me, err := client.WithToken(token).Me(ctx)
	if errors.Is(err, mender.ErrUnauthorized) {
		hint := "it is another server's, or was revoked: is --server the right one? A new one is made in Mender's web UI, under My profile"
		if claims.Expired(a.Now()) {
			hint = "it expired on " + output.Time(claims.ExpiresAt, true) + "; a new one is made in Mender's web UI, under My profile"
		}
		return "", "", cli.Hinted(err, "%s", hint)
	}
	return token, me.Email, err
}

// startSession logs in with email and password, and with the two-factor code
// once the server asks for it.
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
		return "", "", cli.Hinted(cli.Usagef("login needs an email address, and there is no terminal to ask on"),
			"give --username EMAIL and --password-stdin; or --token-stdin for a personal access token")
	}
	switch {
	case o.passwordStdin:
		r.Password, err = a.ReadSecretInput(ctx, "Password")
	case a.Interactive():
		r.Password, err = a.AskSecret(ctx, "Password")
	default:
		err = cli.Hinted(cli.Usagef("login needs a password, and there is no terminal to ask on"), "give it with --password-stdin")
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

// wantsCode reports whether a login was refused for want of a two-factor
// code. Mender's web UI tells it by the same letters.
func wantsCode(err error) bool {
	var api *mender.Error
	return errors.Is(err, mender.ErrUnauthorized) && errors.As(err, &api) && strings.Contains(strings.ToLower(api.Message), "2fa")
}

func explainLogin(err error, withCode bool) error {
	switch {
	case !errors.Is(err, mender.ErrUnauthorized):
		return err
	case wantsCode(err):
		return cli.Hinted(err, "the account has two-factor authentication: give the code with --2fa-code")
	case withCode:
		return cli.Hinted(err, "the email, the password or the two-factor code is wrong; a code holds for half a minute or so")
	}
	return cli.Hinted(err, "the email or the password is wrong. Who comes through single sign-on has no password: "+
		"make a personal access token in Mender's web UI (My profile), and give it to `mender-webhooks login --token-stdin`")
}

// rememberLogin writes into the profile what the user gave by hand, so that
// later commands find it. What the environment gave is not written, and what
// the profile says already is not changed.
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
			a.Warn("profile %s goes on naming the server %s: give --server %s to later commands too, or log in under a profile of its own with --profile NAME",
				set.Profile, has, v.Text)
		}
	}
	// The email makes the profile where there is none yet: --profile could not
	// name it later otherwise.
	if has, err := file.Get(set.Profile, "username"); email != "" && (err != nil || has != email) {
		rememberSetting(ctx, a, file, set.Profile, "username", email)
	}
	// The organization tells whose webhook secrets to use once the token is gone.
	claims, _ := mender.ParseClaims(token) // a token without claims names no organization
	if has, err := file.Get(set.Profile, "organization"); claims.Tenant != "" && (err != nil || has != claims.Tenant) {
		rememberSetting(ctx, a, file, set.Profile, "organization", claims.Tenant)
	}
}

func rememberSetting(ctx context.Context, a *cli.App, file config.File, profile, key, value string) {
	if err := file.Set(ctx, profile, key, value); err != nil {
		a.Warn("the profile %s could not be given its %s, so give it to later commands too: %v", profile, key, err)
	}
}

// warnOutranked says that commands will go on using another token than the
// one that was just kept.
func warnOutranked(a *cli.App, token string) error {
	set, err := a.Settings()
	if err != nil {
		return err
	}
	if set.Token.Value != token {
		a.Warn("commands go on using the token from %s, which comes before it", set.Token.From)
	}
	return nil
}
