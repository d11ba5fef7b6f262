package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/docs"
	"github.com/mender-webhooks/mender-webhooks/pkg/suggest"
)

// topics are the pages of docs that help shows.
func topics() [][2]string {
	return [][2]string{
		{"environment", "The variables that the program reads"},
		{"exit-codes", "What each exit code means, and what an error looks like"},
		{"signatures", "How deliveries are signed, and why a signature does not match"},
	}
}

// addHelp adds what Cobra would add by itself, with examples and with errors
// of ours, and the help topics.
func addHelp(root *cobra.Command) {
	for _, t := range topics() {
		// Without a Run it is a help topic to Cobra, and no command. Most runs
		// never show it, so it is laid out when it is.
		topic := &cobra.Command{Use: t[0], Short: t[1], DisableFlagsInUseLine: true}
		topic.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
			page, err := docs.Topics.ReadFile(cmd.Name() + ".md")
			if err != nil {
				panic(err) // it is compiled in
			}
			fmt.Fprintln(cmd.OutOrStdout(), plainText(string(page)))
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
		c.Short = "Completion for a shell: bash, zsh, fish or PowerShell"
		c.Long = `Print what a shell has to read so that the Tab key completes commands, flags and
values: ids with their URLs, event types, statuses, profiles. The help of each
shell says where it goes.`
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
		Short:   "Help about any command or topic",
		Long:    "Show the help of a command, or a page about one of the topics.",
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
	err := cli.Usagef("there is no command or help topic %q", strings.Join(given, " "))
	var names []string
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	if similar := suggest.Name(given[0], names); similar != "" {
		return cli.Hinted(err, "did you mean `%s help %s`?", root.Name(), similar)
	}
	return cli.Hinted(err, "`%s help` lists what there is", root.Name())
}

// plainText lays out a page of docs for a terminal: headings in capitals,
// tables as lists, links by their text. What it knows is what those pages use.
func plainText(page string) string {
	var out []string
	inTable := false
	for line := range strings.Lines(page) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "|") {
			cells := strings.Split(strings.Trim(line, "| "), " | ")
			if !inTable || strings.HasPrefix(line, "| ---") {
				inTable = true // the head says what the page has said already
				continue
			}
			out = append(out, tableRow(cells)...)
			continue
		}
		inTable = false
		switch {
		case strings.HasPrefix(line, "# "), strings.HasPrefix(line, "## "):
			line = strings.ToUpper(strings.TrimLeft(line, "# "))
		case strings.HasPrefix(line, "```"):
			continue
		}
		out = append(out, unmarked(line))
	}
	return strings.TrimSpace(strings.Join(out, "\n"))
}

// tableRow is a term and, indented beside or below it, what it means.
func tableRow(cells []string) []string {
	const width, indent = 78, "       "
	var lines []string
	text := "  " + unmarked(cells[0])
	if len(text) < len(indent) {
		text += indent[len(text):]
	} else {
		lines = append(lines, text)
		text = indent
	}
	for _, word := range strings.Fields(unmarked(strings.Join(cells[1:], "; "))) {
		if len(text)+len(word) > width && text != indent {
			lines = append(lines, strings.TrimRight(text, " "))
			text = indent
		}
		text += word + " "
	}
	return append(lines, strings.TrimRight(text, " "))
}

// unmarked drops the marks of code and links.
func unmarked(line string) string {
	for {
		open := strings.Index(line, "](")
		if open < 0 {
			break
		}
		start, end := strings.LastIndex(line[:open], "["), strings.Index(line[open:], ")")
		if start < 0 || end < 0 {
			break
		}
		line = line[:start] + line[start+1:open] + line[open+end+1:]
	}
	return strings.ReplaceAll(line, "`", "")
}
