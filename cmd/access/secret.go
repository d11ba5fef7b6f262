package access

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
)

// NewSecretCmd returns the secret command.
func NewSecretCmd(a *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret COMMAND",
		Short: "Manage webhook secrets stored on this machine",
		Long: `Show, set and delete the webhook secrets that are stored on this machine, in the
system's keyring or in a private file. create and update store secrets; listen,
trigger and verify use them. Mender never returns a secret: if the only copy is
deleted, you have to set a new one. These commands do not change the server; use
` + "`update`" + ` for that.`,
		Example: `  mender-webhooks secret list
  mender-webhooks secret show`,
		Args: cli.UnknownCommand,
		RunE: cli.NeedsSubcommand,
	}
	cmd.AddCommand(newSecretListCmd(a), newSecretShowCmd(a), newSecretSetCmd(a), newSecretForgetCmd(a))
	return cmd
}

// findStored returns the stored secret of the webhook with an id or a prefix of one. For
// "", it returns the only secret that is stored for the server.
func findStored(a *cli.App, set *config.Settings, arg string) (secret.Info, error) {
	_, here, err := a.Stored(set)
	if err != nil {
		return secret.Info{}, err
	}
	var found []secret.Info
	for _, info := range here {
		if info.Name == arg {
			return info, nil
		}
		if strings.HasPrefix(info.Name, strings.ToLower(arg)) {
			found = append(found, info)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return secret.Info{}, fault.Ambiguous(arg, namesOf(found))
	case arg == "":
		return secret.Info{}, cli.Hinted(cli.Failf(fault.NotFound, "no webhook secret is stored for %s", set.Server),
			"run `mender-webhooks secret list` for the secrets of all servers; select a server with --server or --profile")
	}
	return secret.Info{}, cli.Hinted(cli.Failf(fault.NotFound, "no secret is stored for %q on %s", arg, set.Server), "run `mender-webhooks secret list` for the stored secrets")
}

func namesOf(infos []secret.Info) []string {
	names := make([]string, len(infos))
	for n, i := range infos {
		names[n] = i.Name
	}
	return names
}

// completeStored completes the ids of webhooks whose secret is stored.
func completeStored(a *cli.App) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		if set, err := a.LocalSettings(); err == nil {
			_, here, _ := a.Stored(set) // no completion if the store cannot be read
			for _, info := range here {
				names = append(names, cobra.CompletionWithDesc(info.Name, info.Server))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
