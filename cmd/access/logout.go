package access

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
)

// NewLogoutCmd returns the logout command.
func NewLogoutCmd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Delete the token and end the session",
		Long: `Forget the token that login keeps for the server and the profile. A session that
login made is ended on the server too. A personal access token is only
forgotten, since Mender's logout would revoke it for good; ` + "`token revoke`" + ` does
that. Tokens from the environment, from files and from mender-cli are left alone.

It is no error if nothing is kept. Where the server can't be reached, the token
is forgotten all the same, and the exit code is 6.`,
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
		a.Say("no token is kept on this machine")
		return nil
	}
	entry, err := a.Store(set).Get(ctx, cli.TokenKey(set))
	if errors.Is(err, secret.ErrNotFound) {
		a.Say("no token is kept for %s, profile %s", set.Server, set.Profile)
		warnStillLoggedIn(a)
		return nil
	}
	if err != nil {
		return err
	}
	var ending error
	if entry.Origin == secret.Login {
		ending = endSession(ctx, a, set, entry)
	}
	if err := a.Store(set).Delete(context.WithoutCancel(ctx), entry.Key); err != nil {
		return err
	}
	switch {
	case ending != nil:
		return cli.Hinted(ending, "the token is forgotten here; on the server the session goes on%s", untilText(entry.Value))
	case entry.Origin == secret.Login:
		a.Say("logged out of %s: the session has ended, and its token is forgotten", set.Server)
	default:
		a.Say("the personal access token for %s is forgotten here, and goes on being valid; `mender-webhooks token revoke` ends one", set.Server)
	}
	warnStillLoggedIn(a)
	return nil
}

// endSession ends a session on the server. One that has ended already is fine.
func endSession(ctx context.Context, a *cli.App, set *config.Settings, entry secret.Entry) error {
	client, err := a.NewClient(set, entry.Value)
	if err != nil {
		return err
	}
	if err := client.Logout(ctx); !errors.Is(err, mender.ErrUnauthorized) {
		return err
	}
	return nil
}

// warnStillLoggedIn says where else commands find a token.
func warnStillLoggedIn(a *cli.App) {
	set, err := a.Settings()
	if err == nil && set.Token.Value != "" {
		a.Warn("commands go on using the token from %s", set.Token.From)
	}
}
