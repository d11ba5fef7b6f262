// Package access implements the commands for accounts, tokens, settings and secrets:
// login, logout, whoami, token, config, secret, doctor and api.
package access

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
	"github.com/mender-webhooks/mender-webhooks/pkg/session"
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
	client, err := a.NewClient(set)
	if err != nil {
		return err
	}
	if a.Interactive() {
		a.SayAlways("logging in to " + output.Safe(serverAndProfile(set)))
	}
	origin, token, who := secret.Login, "", ""
	if o.tokenStdin {
		origin = secret.Given
		token, who, err = takeToken(ctx, a, client)
	} else {
		token, who, err = startSession(ctx, a, client, o, set.Username)
	}
	if err != nil {
		return err
	}
	account := set.Account
	account.Token.Value = token
	saved, err := session.Save(ctx, a.Store(set), client, account, origin)
	if err != nil {
		return err
	}
	a.Say("logged in to %s as %s%s", serverAndProfile(set), who, untilText(token))
	a.Say("the token is saved in %s", saved)
	for _, warning := range session.Remember(ctx, set, who, token) {
		a.Warn("%s", warning)
	}
	return warnOutranked(a, token)
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

// takeToken reads a personal access token and returns it with its user.
func takeToken(ctx context.Context, a *cli.App, client *mender.Client) (token, who string, err error) {
	token, err = a.ReadSecretInput(ctx, "Personal access token")
	if err != nil {
		return "", "", err
	}
	token = strings.TrimSpace(token)
	who, err = session.Owner(ctx, client, token, a.Now())
	return token, who, err
}

// startSession logs in with email and password, and asks for the two-factor code if
// the server requires one.
func startSession(ctx context.Context, a *cli.App, client *mender.Client, o loginOptions, suggested string) (token, who string, err error) {
	r := mender.LoginRequest{Email: o.username, TwoFactorCode: o.code}
	switch {
	case r.Email != "":
	case a.Interactive() && !o.passwordStdin:
		if r.Email, err = a.Prompt().Line(ctx, "Email", suggested); err != nil {
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
		r.Password, err = a.Prompt().Secret(ctx, "Password")
	default:
		err = cli.Hinted(cli.Usagef("password required, but stdin is not a terminal"), "pass --password-stdin")
	}
	if err != nil {
		return "", "", err
	}
	var askCode func(context.Context) (string, error)
	if a.Interactive() {
		askCode = func(ctx context.Context) (string, error) { return a.Prompt().Secret(ctx, "Two-factor code") }
	}
	token, err = session.LogIn(ctx, client, r, askCode)
	return token, r.Email, err
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
