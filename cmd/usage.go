package cmd

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The width of help where nobody knows better, and on a wide terminal.
const (
	helpWidth  = 80
	widestHelp = 100
)

// printUsage prints what comes after a command's description in its help. It
// does so instead of Cobra since that repeats all global flags, 16 by now, in
// the help of every command, in lines of any length: the flags that one looks
// for are off the screen then.
func (a *app) printUsage(cmd *cobra.Command) error {
	out, width := cmd.OutOrStderr(), min(a.outWidth(), widestHelp)
	if width == 0 {
		width = helpWidth
	}
	fmt.Fprintln(out, "Usage:")
	if cmd.Runnable() {
		fmt.Fprintln(out, "  "+cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() && cmd.Use == cmd.Name() {
		fmt.Fprintln(out, "  "+cmd.CommandPath()+" COMMAND [flags]")
	}
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(out, "\nAliases:\n  %s\n", cmd.NameAndAliases())
	}
	if cmd.HasExample() {
		fmt.Fprintf(out, "\nExamples:\n%s\n", cmd.Example)
	}
	printCommands(out, cmd)
	if own := cmd.LocalFlags(); own.HasAvailableFlags() {
		fmt.Fprintf(out, "\nFlags:\n%s\n", strings.TrimRight(own.FlagUsagesWrapped(width), " \n"))
	}
	if cmd.HasAvailableInheritedFlags() {
		fmt.Fprintf(out, "\nFlags of all commands, which `%s --help` explains:\n", cmd.Root().Name())
		for _, line := range filled(flagNames(cmd.InheritedFlags()), width-2) {
			fmt.Fprintln(out, "  "+line)
		}
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(out, "\n`%s COMMAND --help` has more about each command.\n", cmd.CommandPath())
	}
	return nil
}

func printCommands(out io.Writer, cmd *cobra.Command) {
	list := func(title string, prefix string, wanted func(*cobra.Command) bool) {
		chosen := slices.DeleteFunc(slices.Clone(cmd.Commands()), func(c *cobra.Command) bool { return !wanted(c) })
		if len(chosen) == 0 {
			return
		}
		fmt.Fprintf(out, "\n%s\n", title)
		for _, c := range chosen {
			fmt.Fprintf(out, "  %s%-*s %s\n", prefix, cmd.NamePadding(), c.Name(), c.Short)
		}
	}
	for _, group := range cmd.Groups() {
		list(group.Title, "", func(c *cobra.Command) bool { return c.GroupID == group.ID && c.IsAvailableCommand() })
	}
	list("Commands:", "", func(c *cobra.Command) bool { return c.GroupID == "" && c.IsAvailableCommand() })
	list("Topics:", "help ", (*cobra.Command).IsAdditionalHelpTopicCommand)
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

// filled lays out words in lines of at most width.
func filled(words []string, width int) []string {
	var lines []string
	for _, word := range words {
		if last := len(lines) - 1; last >= 0 && utf8.RuneCountInString(lines[last]+word)+1 <= width {
			lines[last] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}

// wrongValue says in a sentence what is wrong with a flag's value. It is nil
// where err is about something else.
func wrongValue(cmd *cobra.Command, err error) error {
	var wrong *pflag.InvalidValueError
	if !errors.As(err, &wrong) {
		return nil
	}
	see := "see `" + cmd.CommandPath() + " --help`"
	given := fmt.Sprintf("--%s %q", wrong.GetFlag().Name, wrong.GetValue())
	switch wrong.GetFlag().Value.Type() {
	case "int", "int64":
		return hinted(usagef("%s: it has to be a whole number", given), "%s", see)
	case "intSlice":
		return hinted(usagef("%s: it has to be whole numbers, with commas between them", given), "%s", see)
	case "float64":
		return hinted(usagef("%s: it has to be a number", given), "write it with a point, such as 0.5")
	case "duration":
		return hinted(usagef("%s is no length of time", given), "write 500ms, 90s, 5m or 48h")
	case "bool":
		return hinted(usagef("%s: it takes no value", given), "say --%s, or leave it out", wrong.GetFlag().Name)
	}
	return hinted(usagef("%s: %w", given, wrong.Unwrap()), "%s", see)
}
