package access

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
)

// NewConfigCmd returns the config command.
func NewConfigCmd(a *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config COMMAND",
		Short: "Show and change settings and profiles",
		Long: `Show settings with their origins, and change the config file. A profile is a
named set of settings, for example for a server or an organization. --profile or
MENDER_PROFILE selects one for a command, and ` + "`config use`" + ` selects the default.

A profile can have these settings:

` + settingsHelp(),
		Example: `  mender-webhooks config list
  mender-webhooks config set server https://eu.hosted.mender.io --profile production`,
		Args: cli.UnknownCommand,
		RunE: cli.NeedsSubcommand,
	}
	cmd.AddCommand(newConfigListCmd(a), newConfigGetCmd(a), newConfigSetCmd(a), newConfigUnsetCmd(a), newConfigUseCmd(a), newConfigRenameCmd(a), newConfigPathCmd(a))
	return cmd
}

// settingsHelp lists the settings that a profile can have.
func settingsHelp() string {
	var b strings.Builder
	for _, k := range config.Keys() {
		if k.InProfile {
			fmt.Fprintf(&b, "  %-16s %s\n", k.Name, strings.ReplaceAll(k.Doc, "`", ""))
		}
	}
	return strings.TrimRight(b.String(), "\n")
}
