package cli

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Begin checks the command line before a command runs. It returns a usage error if an
// argument or a flag value is empty, if a flag that takes only one target, file, id or
// secret is repeated, or if the command does not offer the output format. given is the
// whole command line.
func (a *App) Begin(cmd *cobra.Command, args, given []string) error {
	if cmd.DisableFlagParsing { // the shell asks for completions
		return nil
	}
	if err := checkValues(cmd, args, given); err != nil {
		return err
	}
	a.utc, _ = cmd.Flags().GetBool("utc") // false if the command has no such flag
	return a.checkOutput(cmd)
}

func checkValues(cmd *cobra.Command, args, given []string) error {
	for i, arg := range args {
		if dash := cmd.ArgsLenAtDash(); dash >= 0 && i >= dash && cmd.Annotations[TakesCommand] != "" {
			break // the rest belongs to the program that the command runs
		}
		if blank(arg) {
			return Hinted(Usagef("argument %d of %s is empty", i+1, shortPath(cmd)), "pass a value, or leave the argument out")
		}
	}
	_, rest, err := cmd.Root().Find(given)
	if err != nil {
		return err
	}
	count := map[string]int{}
	return cmd.Flags().ParseAll(rest, func(f *pflag.Flag, value string) error {
		count[f.Name]++
		switch {
		case emptyValue(f, value):
			return Hinted(Usagef("--%s is empty", f.Name), "pass a value, or leave the flag out")
		case count[f.Name] > 1 && singular(f):
			return Hinted(Usagef("--%s was given %d times, but takes only one value", f.Name, count[f.Name]), "pass it once")
		}
		return nil
	})
}

// TakesCommand is the annotation of commands that run another program. Its name and
// arguments follow --.
const TakesCommand = "takes-command"

// ReloadsWith is the annotation of commands that read a file again on SIGHUP. Its value is
// the name of the file's flag; without the flag, SIGHUP ends the command.
const ReloadsWith = "reloads-with"

// CatchHangups returns the channel for SIGHUP if the command line makes the command reload
// a file then, or nil.
func (a *App) CatchHangups(cmd *cobra.Command) chan<- os.Signal {
	if flag := cmd.Annotations[ReloadsWith]; flag == "" || !cmd.Flags().Changed(flag) {
		return nil
	}
	hangups := make(chan os.Signal, 1) // one that waits covers all later changes of the file
	a.Hangups = hangups
	return hangups
}

func blank(text string) bool { return strings.TrimSpace(text) == "" }

func emptyValue(f *pflag.Flag, value string) bool {
	if f.Value.Type() == "stringSlice" {
		return slices.ContainsFunc(strings.Split(value, ","), blank)
	}
	return blank(value)
}

// singular reports whether a flag can be given only once. It decides by the name of the
// flag's value in help.
func singular(f *pflag.Flag) bool {
	if _, several := f.Value.(pflag.SliceValue); several {
		return false
	}
	what, _ := pflag.UnquoteUsage(f)
	return slices.Contains([]string{
		"URL", "FILE", "DIR", "ID", "NAME", "HEX", "JWT", "CODE", "EMAIL", "PATH", "PREFIX", "HOST:PORT",
	}, what)
}

// Rules define which flags contradict or require others. A name in capitals, such
// as EVENT-ID, stands for the command's arguments.
type Rules struct {
	Against map[string][]string // the flag cannot be combined with any of these
	Needs   map[string][]string // the flag requires at least one of these
}

// Check returns a usage error if the command line breaks a rule. Use it as PreRunE.
func (r Rules) Check(cmd *cobra.Command, args []string) error {
	given := func(name string) bool {
		if name == strings.ToUpper(name) {
			return len(args) > 0
		}
		f := cmd.Flags().Lookup(name) // nil if only another command with these rules has the flag
		return f != nil && f.Changed && f.Value.String() != "false"
	}
	see := "see `" + cmd.CommandPath() + " --help`"
	for _, name := range SortedKeys(r.Against) {
		for _, other := range r.Against[name] {
			if given(name) && given(other) {
				return Hinted(Usagef("%s cannot be combined with %s", dashed(name), dashed(other)), "%s", see)
			}
		}
	}
	for _, name := range SortedKeys(r.Needs) {
		if needed := r.Needs[name]; given(name) && !slices.ContainsFunc(needed, given) {
			return Hinted(Usagef("%s requires %s", dashed(name), alternatives(needed)), "%s", see)
		}
	}
	return nil
}

func dashed(name string) string {
	if name == strings.ToUpper(name) {
		return name
	}
	return "--" + name
}

// alternatives returns a list of flags: "--a", "--a or --b", "--a, --b or --c".
func alternatives(names []string) string {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = dashed(name)
	}
	if last := len(texts) - 1; last > 0 {
		return strings.Join(texts[:last], ", ") + " or " + texts[last]
	}
	return strings.Join(texts, "")
}
