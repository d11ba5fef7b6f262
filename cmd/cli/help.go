package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// The width of help in columns: by default, and at most.
const (
	helpWidth  = 80
	widestHelp = 100
)

// PrintHelp prints a command's description and usage. Descriptions are written for 80
// columns; on a narrower terminal they are wrapped again.
func (a *App) PrintHelp(cmd *cobra.Command) {
	fmt.Fprintln(cmd.OutOrStdout(), output.Reflow(strings.TrimSpace(cmp.Or(cmd.Long, cmd.Short)), a.OutWidth())+"\n")
	fmt.Fprint(cmd.OutOrStdout(), cmd.UsageString())
}

// PrintUsage prints the part of the help that follows a command's description. Unlike
// Cobra, it wraps lines and leaves out the 16 global flags, which would push the command's
// own flags off the screen.
func (a *App) PrintUsage(cmd *cobra.Command) error {
	out, width := cmd.OutOrStderr(), min(a.OutWidth(), widestHelp)
	if width == 0 {
		width = helpWidth
	}
	fmt.Fprintln(out, "Usage:")
	if cmd.Runnable() {
		fmt.Fprintln(out, output.WrapLines("  "+cmd.UseLine(), a.OutWidth()))
	}
	if cmd.HasAvailableSubCommands() && cmd.Use == cmd.Name() {
		fmt.Fprintln(out, "  "+cmd.CommandPath()+" COMMAND [flags]")
	}
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(out, "\nAliases:\n  %s\n", cmd.NameAndAliases())
	}
	if cmd.HasExample() {
		fmt.Fprintf(out, "\nExamples:\n%s\n", output.WrapCommands(cmd.Example, a.OutWidth()))
	}
	printCommands(out, cmd, width)
	if own := cmd.LocalFlags(); own.HasAvailableFlags() {
		fmt.Fprintf(out, "\nFlags:\n%s", flagUsages(own, width))
	}
	if declared := cmd.Annotations[formatsKey]; declared != "" {
		fmt.Fprintf(out, "\nOutput formats (-o): %s\n", declared)
	}
	if cmd.HasAvailableInheritedFlags() {
		fmt.Fprintf(out, "\nGlobal flags, described in `%s --help`:\n", cmd.Root().Name())
		fmt.Fprintln(out, output.WrapLines("  "+strings.Join(flagNames(cmd.InheritedFlags()), " "), width))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(out, "\n%s\n", output.WrapLines(fmt.Sprintf("Run `%s COMMAND --help` for more about a command.", cmd.CommandPath()), width))
	}
	return nil
}

func printCommands(out io.Writer, cmd *cobra.Command, width int) {
	list := func(title string, prefix string, wanted func(*cobra.Command) bool) {
		chosen := slices.DeleteFunc(slices.Clone(cmd.Commands()), func(c *cobra.Command) bool { return !wanted(c) })
		if len(chosen) == 0 {
			return
		}
		fmt.Fprintf(out, "\n%s\n", title)
		for _, c := range chosen {
			name := fmt.Sprintf("  %s%-*s ", prefix, cmd.NamePadding(), c.Name())
			lines := output.Wrap(c.Short, max(width-len(name), 1))
			fmt.Fprintln(out, name+strings.Join(lines, "\n"+strings.Repeat(" ", len(name))))
		}
	}
	for _, group := range cmd.Groups() {
		list(group.Title, "", func(c *cobra.Command) bool { return c.GroupID == group.ID && c.IsAvailableCommand() })
	}
	list("Commands:", "", func(c *cobra.Command) bool { return c.GroupID == "" && c.IsAvailableCommand() })
	list("Topics:", "help ", (*cobra.Command).IsAdditionalHelpTopicCommand)
}

// narrowest is the minimum width in columns of a flag's description beside its name.
const narrowest = 30

// flagUsages returns the help of flags with wrapped descriptions, beside the names or, if
// the terminal is too narrow, below.
func flagUsages(flags *pflag.FlagSet, width int) string {
	var shown []*pflag.Flag
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			shown = append(shown, f)
		}
	})
	var b strings.Builder
	for i, line := range strings.Split(strings.TrimRight(flags.FlagUsages(), "\n"), "\n") {
		_, usage := pflag.UnquoteUsage(shown[i])
		column := strings.LastIndex(line, usage)
		name, text := line[:column], line[column:]
		if width-column < narrowest {
			column = len("          ")
			name = strings.TrimRight(name, " ") + "\n" + strings.Repeat(" ", column)
		}
		b.WriteString(name + strings.Join(output.Wrap(text, width-column), "\n"+strings.Repeat(" ", column)) + "\n")
	}
	return b.String()
}

func flagNames(flags *pflag.FlagSet) []string {
	var names []string
	flags.VisitAll(func(f *pflag.Flag) {
		switch {
		case f.Hidden:
		case f.Shorthand != "":
			names = append(names, "-"+f.Shorthand+"/--"+f.Name)
		default:
			names = append(names, "--"+f.Name)
		}
	})
	return names
}
