package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/suggest"
)

// UnknownCommand returns a usage error for an unknown command, with a suggestion.
func UnknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return Hinted(Usagef("unknown command %q for %s", args[0], cmd.CommandPath()), "%s", commandHint(cmd, args))
}

// FlagError converts an error of the flag parser into a usage error with a hint.
func FlagError(cmd *cobra.Command, err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	if given := cmd.Flags().Args(); len(given) > 0 && cmd.HasSubCommands() {
		return UnknownCommand(cmd, given) // the flag may belong to the intended command
	}
	if wrong := wrongValue(cmd, err); wrong != nil {
		return wrong
	}
	wrong := Usagef("%s", firstLine(err.Error()))
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		name := unknown.GetSpecifiedName()
		if hint := meantFlag(cmd, name); hint != "" {
			return Hinted(wrong, "%s", hint)
		}
		if name = similarFlag(cmd, name); name != "" {
			return Hinted(wrong, "did you mean --%s? run `%s --help` for the flags", name, cmd.CommandPath())
		}
	}
	return Hinted(wrong, "see `%s --help`", cmd.CommandPath())
}

// similarFlag returns the flag that is most similar to name, or "".
func similarFlag(cmd *cobra.Command, name string) string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return suggest.Name(name, names)
}

// Args returns a function that checks the number of arguments. what describes the expected
// arguments in the error.
func Args(minimum, maximum int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		switch {
		case len(given) < minimum:
			return Hinted(Usagef("%s requires %s", shortPath(cmd), what), "see `%s --help`", cmd.CommandPath())
		case maximum >= 0 && len(given) > maximum:
			return Hinted(Usagef("unexpected argument %q: %s takes %s", given[maximum], shortPath(cmd), what),
				"see `%s --help`", cmd.CommandPath())
		}
		return nil
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// shortPath returns the full name of a command without the name of the program.
func shortPath(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// NeedsSubcommand returns a usage error that lists the subcommands. It is the RunE of
// commands that do nothing themselves.
func NeedsSubcommand(cmd *cobra.Command, _ []string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return Hinted(Usagef("%s requires a command: %s", shortPath(cmd), strings.Join(names, ", ")),
		"see `%s --help`", cmd.CommandPath())
}

// The width of help in columns: by default, and at most.
const (
	helpWidth  = 80
	widestHelp = 100
)

// PrintHelp prints a command's description and usage. Descriptions are written for 80
// columns; on a narrower terminal they are wrapped again.
func (a *App) PrintHelp(cmd *cobra.Command) {
	fmt.Fprintln(cmd.OutOrStdout(), Reflow(strings.TrimSpace(cmp.Or(cmd.Long, cmd.Short)), a.OutWidth())+"\n")
	fmt.Fprint(cmd.OutOrStdout(), cmd.UsageString())
}

// Reflow wraps a text again if one of its lines is longer than width, unless that is 0.
// Indented lines stay lines of their own.
func Reflow(text string, width int) string {
	if output.WrapLines(text, width) == text {
		return text
	}
	var paragraphs []string
	joins := false // the next line continues the paragraph
	for line := range strings.SplitSeq(text, "\n") {
		own := line == "" || line[0] == ' ' || line[0] == '-'
		if last := len(paragraphs) - 1; joins && !own {
			paragraphs[last] += " " + line
		} else {
			paragraphs = append(paragraphs, line)
		}
		joins = line != "" && line[0] != ' '
	}
	return output.WrapLines(strings.Join(paragraphs, "\n"), width)
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
		fmt.Fprintf(out, "\nExamples:\n%s\n", a.WrapCommands(cmd.Example))
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

// WrapCommands breaks command lines that are longer than the terminal is wide, so that a
// shell still reads each as one.
func (a *App) WrapCommands(text string) string {
	width := a.OutWidth()
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if width > 0 && len(line) > width && !strings.ContainsAny(line, `'"`) {
			const indent = "    "
			parts := output.Wrap(strings.TrimLeft(line, " "), width-len(indent+"  \\"))
			line = "  " + strings.Join(parts, " \\\n"+indent)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
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

// wrongValue returns an error that explains the invalid value of a flag, or nil if err has
// another cause.
func wrongValue(cmd *cobra.Command, err error) error {
	var wrong *pflag.InvalidValueError
	if !errors.As(err, &wrong) {
		return nil
	}
	see := "see `" + cmd.CommandPath() + " --help`"
	given := fmt.Sprintf("--%s %q", wrong.GetFlag().Name, wrong.GetValue())
	switch wrong.GetFlag().Value.Type() {
	case "int", "int64":
		return Hinted(Usagef("invalid %s: must be an integer", given), "%s", see)
	case "intSlice":
		return Hinted(Usagef("invalid %s: must be comma-separated integers", given), "%s", see)
	case "float64":
		return Hinted(Usagef("invalid %s: must be a number", given), "use a decimal point, as in 0.5")
	case "duration":
		return Hinted(Usagef("invalid %s: must be a duration", given), "use a value such as 500ms, 90s, 5m or 48h")
	case "bool":
		return Hinted(Usagef("invalid %s: takes no value", given), "pass --%s, or leave it out", wrong.GetFlag().Name)
	}
	return Hinted(Usagef("invalid %s: %w", given, wrong.Unwrap()), "%s", see)
}
