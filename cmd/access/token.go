package access

import (
	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// NewTokenCmd returns the token command.
func NewTokenCmd(a *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token COMMAND",
		Short: "Create, list and revoke personal access tokens",
		Long: `Create, list and revoke the personal access tokens of the logged-in user. Use
them in pipelines: unlike a session, they do not end when the user logs in
elsewhere. Mender allows ten per user, with unique names.`,
		Example: `  mender-webhooks token create ci --expires 90d
  mender-webhooks token list`,
		Args: cli.UnknownCommand,
		RunE: cli.NeedsSubcommand,
	}
	cmd.AddCommand(newTokenCreateCmd(a), newTokenListCmd(a), newTokenRevokeCmd(a))
	return cmd
}

// inUse returns the id of the token that this command uses, or "".
func inUse(set *config.Settings) string {
	claims, err := mender.ParseClaims(set.Token.Value)
	if err != nil {
		return ""
	}
	return claims.ID
}
