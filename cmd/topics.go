package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/docs"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/suggest"
)

// topics returns the names and summaries of the help topics.
func topics() [][2]string {
	return [][2]string{
		{"environment", "Environment variables"},
		{"exit-codes", "Exit codes and the format of errors"},
		{"signatures", "How deliveries are signed, and why a signature may not match"},
	}
}

// addHelp adds the help topics and Cobra's own commands. It gives Cobra's commands
// examples, and errors in this program's format.
func addHelp(a *cli.App, root *cobra.Command) {
	showHelp := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, given []string) {
		showHelp(cmd, given)
		if words := cmd.Flags().Args(); len(words) > 0 && cmd.HasSubCommands() {
			err := cli.UnknownCommand(cmd, words)
			a.Say("%s; %s", err, fault.HintOf(err))
		}
	})
	for _, t := range topics() {
		// Cobra treats a command without Run as a help topic. To save time, its
		// page is formatted only when it is shown.
		topic := &cobra.Command{Use: t[0], Short: t[1], DisableFlagsInUseLine: true}
		topic.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
			page, err := docs.Topics.ReadFile(cmd.Name() + ".md")
			if err != nil {
				panic(err) // cannot happen: the page is embedded
			}
			fmt.Fprintln(cmd.OutOrStdout(), output.PlainText(string(page), a.OutWidth()))
		})
		root.AddCommand(topic)
	}
	root.SetHelpCommand(newHelpCmd())
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.GroupID = groupLocal
		c.Use = "completion SHELL"
		c.Short = "Generate completion for bash, zsh, fish or PowerShell"
		c.Long = `Print a script with which your shell completes commands, flags and values, such
as ids, event types, statuses and profiles. The help of each shell describes
how to install it.`
		c.Example = "  mender-webhooks completion bash --help\n  source <(mender-webhooks completion bash)"
		c.Args, c.RunE = cli.UnknownCommand, cli.NeedsSubcommand
		for _, shell := range c.Commands() {
			shell.Example = map[string]string{
				"bash":       "  source <(mender-webhooks completion bash)",
				"zsh":        "  source <(mender-webhooks completion zsh)",
				"fish":       "  mender-webhooks completion fish | source",
				"powershell": "  mender-webhooks completion powershell | Out-String | Invoke-Expression",
			}[shell.Name()]
		}
	}
}

func newHelpCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND or TOPIC]",
		Short:   "Show help for a command or topic",
		Long:    "Show the help of a command or of a topic.",
		Example: "  mender-webhooks help create\n  mender-webhooks help exit-codes",
		GroupID: groupLocal,
		ValidArgsFunction: func(cmd *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
			of, _, err := cmd.Root().Find(given)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var choices []string
			for _, c := range of.Commands() {
				if c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
					choices = append(choices, cobra.CompletionWithDesc(c.Name(), c.Short))
				}
			}
			return choices, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, given []string) error {
			of, rest, err := cmd.Root().Find(given)
			if err != nil || (len(rest) > 0 && of.HasSubCommands()) {
				return unknownTopic(cmd.Root(), given)
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}

func unknownTopic(root *cobra.Command, given []string) error {
	err := cli.Usagef("unknown command or help topic %q", strings.Join(given, " "))
	if meant, _, _ := strings.Cut(cli.MeantCommand(root, given), " -"); meant != "" {
		return cli.Hinted(err, "use `%s help %s`", root.Name(), meant)
	}
	var names []string
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	if similar := suggest.Name(given[0], names); similar != "" {
		return cli.Hinted(err, "did you mean `%s help %s`?", root.Name(), similar)
	}
	return cli.Hinted(err, "run `%s help` to list all commands and topics", root.Name())
}
