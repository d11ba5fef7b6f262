package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
