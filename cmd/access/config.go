package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
	"github.com/mender-webhooks/mender-webhooks/pkg/suggest"
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

func newConfigListCmd(a *cli.App) *cobra.Command {
	profiles := false
	cmd := &cobra.Command{
		Use:         "list",
		Annotations: cli.PrintsResult(),
		Aliases:     []string{"ls"},
		Short:       "List settings with their origins",
		Long: `List the effective settings with their origins: a flag, the environment, the
profile, mender-cli's files, or the default. With --profiles, list the profiles
of the config file instead, and whether login saved a token for them.`,
		Example: "  mender-webhooks config list\n  mender-webhooks config list --profiles",
		Args:    cli.Args(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if profiles {
				return runConfigProfiles(a)
			}
			return runConfigList(a)
		},
	}
	cmd.Flags().BoolVar(&profiles, "profiles", false, "list profiles instead of settings")
	return cmd
}

func runConfigList(a *cli.App) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	set, err := a.Settings()
	if err != nil {
		return err
	}
	view := output.View{Value: set.Values(), Table: output.TableView{Columns: []output.Column{
		{Name: "SETTING"}, {Name: "VALUE", Shrink: true}, {Name: "SOURCE"}, {Name: "FROM", Shrink: true},
	}}}
	for _, v := range set.Values() {
		view.Names = append(view.Names, v.Key)
		view.Table.Rows = append(view.Table.Rows, []string{v.Key, v.Text, string(v.Source), v.From})
	}
	return p.Print(view)
}

// profileSummary is a profile in the config file, with the tokens that login saved
// for it.
type profileSummary struct {
	config.Profile
	Tokens []secret.Info `json:"tokens"`
}

func runConfigProfiles(a *cli.App) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	set, err := a.Load(config.Input{NoToken: true, NewProfile: true})
	if err != nil {
		return err
	}
	profiles, err := config.NewFile(set.ConfigFile).Profiles()
	if err != nil {
		return err
	}
	var tokens []secret.Info
	if set.SecretsFile != "" {
		if tokens, err = a.Store(set).List(secret.Token); err != nil {
			return err
		}
	}
	summaries := []profileSummary{}
	view := output.View{Table: output.TableView{Columns: []output.Column{
		{Name: ""}, {Name: "PROFILE"}, {Name: "SERVER", Shrink: true}, {Name: "USERNAME", Shrink: true}, {Name: "TOKEN"},
	}}}
	for _, profile := range profiles {
		s := profileSummary{Profile: profile, Tokens: []secret.Info{}}
		for _, t := range tokens {
			if t.Name == profile.Name {
				s.Tokens = append(s.Tokens, t)
			}
		}
		summaries = append(summaries, s)
		view.Names = append(view.Names, profile.Name)
		view.Table.Rows = append(view.Table.Rows, s.row())
	}
	if len(profiles) == 0 {
		a.Say("no profiles in %s; create one with `mender-webhooks login` or `mender-webhooks config set`", set.ConfigFile)
	}
	view.Value = summaries
	return p.Print(view)
}

func (s profileSummary) row() []string {
	value := func(key string) string {
		i := slices.IndexFunc(s.Values, func(v config.Value) bool { return v.Key == key })
		if i < 0 {
			return "-"
		}
		return s.Values[i].Text
	}
	mark, token := "", "none"
	if s.Current {
		mark = "*"
	}
	switch {
	case len(s.Tokens) > 0:
		token = fmt.Sprintf("in the %s", s.Tokens[0].Place)
	case value("token") != "-" || value("token-file") != "-":
		token = "in the profile"
	}
	return []string{mark, s.Name, value("server"), value("username"), token}
}

func newConfigGetCmd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:         "get SETTING",
		Annotations: cli.PrintsID(),
		Short:       "Print the value of a setting",
		Long: `Print the effective value of a setting, whatever its origin. Tokens are never
printed.`,
		Example: "  mender-webhooks config get server\n  mender-webhooks config get request-timeout --profile lab",
		Args:    cli.Args(1, 1, "the name of a setting"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return config.ProfileKeys(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			return runConfigGet(a, args[0])
		},
	}
}

func runConfigGet(a *cli.App, key string) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(config.Keys(), func(k config.Key) bool { return k.Name == key })
	if i < 0 {
		return unknownSetting(key)
	}
	if config.Keys()[i].Secret {
		return cli.Hinted(cli.Usagef("%s is a secret and is never printed", key), "run `mender-webhooks config list` for its origin, or `mender-webhooks whoami` for its user")
	}
	set, err := a.LocalSettings()
	if err != nil {
		return err
	}
	for _, v := range set.Values() {
		if v.Key == key {
			return p.Print(output.View{Value: v, Names: []string{v.Text}})
		}
	}
	return cli.Hinted(cli.Failf(fault.NotFound, "%s is not set", key), "set it with `mender-webhooks config set %s VALUE`", key)
}

func unknownSetting(key string) error {
	err := cli.Usagef("unknown setting %q", key)
	if near := suggest.Name(key, config.ProfileKeys()); near != "" {
		return cli.Hinted(err, "did you mean %s?", near)
	}
	return cli.Hinted(err, "use one of %s", strings.Join(config.ProfileKeys(), ", "))
}

func newConfigPathCmd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:         "path",
		Annotations: cli.PrintsID(),
		Short:       "Print the path of the config file",
		Long:        "Print the path of the config file, even if it does not exist or is invalid.",
		Example:     `  "$EDITOR" "$(mender-webhooks config path)"`,
		Args:        cli.Args(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			p, err := a.Printer()
			if err != nil {
				return err
			}
			path, err := config.ConfigFile(config.Input{Flags: a.SettingFlags, LookupEnv: a.Env})
			if err != nil {
				return err
			}
			if path == "" {
				return cli.Hinted(cli.Failf(fault.NotFound, "no config file: the home folder is unknown"), "pass --config FILE")
			}
			return p.Print(output.View{Value: map[string]string{"path": path}, Names: []string{path}})
		},
	}
}
