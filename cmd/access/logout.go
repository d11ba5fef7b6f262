package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
	"github.com/mender-webhooks/mender-webhooks/pkg/session"
)

// NewLogoutCmd returns the logout command.
func NewLogoutCmd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Delete the token and end the session",
		Long: `Delete the token that login saved for the server and the profile. If login
created a session, end it on the server, too. A personal access token is not
revoked: use ` + "`token revoke`" + ` for that. Tokens from the environment, from files
and from mender-cli are not affected.

It is not an error if there is no token. If the server is unreachable, the
token is still deleted, and the exit code is 6.`,
		Example: "  mender-webhooks logout\n  mender-webhooks logout --profile lab",
		Args:    cli.Args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runLogout(cmd.Context(), a)
		},
	}
}

func runLogout(ctx context.Context, a *cli.App) error {
	set, err := a.Load(config.Input{NoToken: true, NewProfile: true})
	if err != nil {
		return err
	}
	if set.SecretsFile == "" {
		a.Say("no token is stored on this machine")
		return nil
	}
	entry, err := a.Store(set).Get(ctx, secret.TokenKey(set.Account))
	if errors.Is(err, secret.ErrNotFound) {
		a.Say("no token is stored for %s", serverAndProfile(set))
		warnStillLoggedIn(a)
		return nil
	}
	if err != nil {
		return err
	}
	ending, err := session.Delete(ctx, a.Store(set), entry, func() (*mender.Client, error) { return a.NewClient(set) })
	if err != nil {
		return err
	}
	switch {
	case ending != nil:
		return fmt.Errorf("%w; the token was deleted from this machine, but the session on the server remains valid%s", ending, untilText(entry.Value))
	case entry.Origin == secret.Login:
		a.Say("logged out of %s: ended the session and deleted the token", serverAndProfile(set))
	default:
		a.Say("deleted the personal access token for %s from this machine; it is still valid: use `mender-webhooks token revoke` to revoke it", serverAndProfile(set))
	}
	warnStillLoggedIn(a)
	return nil
}

// warnStillLoggedIn warns if commands still find a token in another place.
func warnStillLoggedIn(a *cli.App) {
	set, err := a.Settings()
	if err == nil && set.Token.Value != "" {
		a.Warn("commands still use the token from %s", set.Token.From)
	}
}
