// Package cmd is the command line of mender-webhooks: one file for each
// command, the error table in errors.go, and in app.go what commands share.
package cmd

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
)

// The groups of commands in `mender-webhooks help`.
const (
	groupIntegrations = "integrations"
	groupActivity     = "activity"
	groupReceiving    = "receiving"
	groupAccess       = "access"
	groupLocal        = "local"
)

// Run runs one command line (without the program's name) and returns the exit
// code. It ends early when ctx does. lookupEnv is os.LookupEnv but in tests.
//
// catch, if not nil, makes the context that a command runs with, so that
// signals reach it. It is not called for help: the threads that handle signals
// would take a seventh of the time that help takes.
func Run(ctx context.Context, args []string, s Streams, lookupEnv func(string) (string, bool),
	catch func(context.Context) (context.Context, context.CancelFunc),
) int {
	a := &app{in: s.In, out: s.Out, err: s.Err, env: lookupEnv, now: time.Now}
	root := newRootCmd(a)
	release := func() {}
	if catch != nil {
		root.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
			caught, stop := catch(cmd.Context())
			cmd.SetContext(caught)
			release = stop
		}
	}
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		a.addCompletions(root)
	}
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	defer func() { release() }()
	return a.report(root.ExecuteContext(ctx))
}

// NewRootCmd returns the command tree for generating docs and completions.
// Running it does nothing useful.
func NewRootCmd() *cobra.Command {
	return newRootCmd(&app{env: func(string) (string, bool) { return "", false }, now: time.Now})
}

func newRootCmd(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "mender-webhooks COMMAND",
		Short: "Manage Mender's webhooks, and receive their events",
		Long: `Manage the webhook integrations of a Mender organization, see what Mender
sent and how each delivery went, and receive the events yourself with their
signatures checked.

New here? ` + "`mender-webhooks demo`" + ` plays the whole round trip on this machine.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.AddGroup(
		&cobra.Group{ID: groupIntegrations, Title: "Integrations:"},
		&cobra.Group{ID: groupActivity, Title: "Activity:"},
		&cobra.Group{ID: groupReceiving, Title: "Receiving:"},
		&cobra.Group{ID: groupAccess, Title: "Access:"},
		&cobra.Group{ID: groupLocal, Title: "On this machine:"},
	)
	root.SetFlagErrorFunc(flagError)
	root.SetUsageFunc(a.printUsage)

	global := root.PersistentFlags()
	global.StringVarP(&a.flags.output, "output", "o", "", "`FORMAT` of the output: table, json, jsonl, yaml, name or none")
	global.StringVar(&a.flags.jq, "jq", "", "filter JSON output with a jq `EXPRESSION`")
	global.BoolVarP(&a.flags.quiet, "quiet", "q", false, "say nothing but errors on stderr")
	global.BoolVar(&a.flags.noColor, "no-color", false, "no colour, even on a terminal (like NO_COLOR)")
	global.BoolVar(&a.flags.debug, "debug", false, "show requests and answers on stderr, with secrets masked")
	config.RegisterFlags(global)
	a.settingFlags = global
	global.SortFlags = false

	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupIntegrations, newCreateCmd(a), newListCmd(a), newInspectCmd(a), newUpdateCmd(a), newDeleteCmd(a))
	add(groupIntegrations, newApplyCmd(a), newExportCmd(a))
	add(groupActivity, newActivityCmd(a), newRedeliverCmd(a))
	add(groupReceiving, newListenCmd(a), newQueueCmd(a), newTriggerCmd(a), newVerifyCmd(a))
	add(groupAccess, newLoginCmd(a), newLogoutCmd(a), newWhoamiCmd(a), newTokenCmd(a), newConfigCmd(a), newSecretCmd(a), newDoctorCmd(a))
	add(groupLocal, newSandboxCmd(a), newDemoCmd(a), newVersionCmd(a))
	addHelp(root)
	return root
}

// unknownCommand makes a usage error of what Cobra has no type for, and keeps
// its suggestions.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := usagef("unknown command %q for %s", args[0], cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2 // Cobra sets it only where it looks for commands itself
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		return hinted(err, "did you mean `%s %s`?", cmd.CommandPath(), similar[0])
	}
	return hinted(err, "`%s --help` lists the commands", cmd.CommandPath())
}

func flagError(cmd *cobra.Command, err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	if given := cmd.Flags().Args(); len(given) > 0 && cmd.HasSubCommands() {
		return unknownCommand(cmd, given) // the flag may be one of the command that was meant
	}
	if wrong := wrongValue(cmd, err); wrong != nil {
		return wrong
	}
	wrong := usagef("%s", firstLine(err.Error()))
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		if name := similarFlag(cmd, unknown.GetSpecifiedName()); name != "" {
			return hinted(wrong, "did you mean --%s? `%s --help` lists the flags", name, cmd.CommandPath())
		}
	}
	return hinted(wrong, "see `%s --help`", cmd.CommandPath())
}

// similarFlag finds the flag that name was probably meant to be.
func similarFlag(cmd *cobra.Command, name string) string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return similarTo(name, names)
}

// similarTo finds what a word was probably meant to be, the way Cobra does
// for commands. It is empty where nothing comes near.
func similarTo(typed string, names []string) string {
	all := &cobra.Command{SuggestionsMinimumDistance: 2}
	for _, name := range names {
		all.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}})
	}
	if similar := all.SuggestionsFor(typed); len(similar) > 0 {
		return similar[0]
	}
	return ""
}

// args checks how many arguments there are, and says it in a sentence.
func args(minimum, maximum int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		switch {
		case len(given) < minimum:
			return hinted(usagef("%s needs %s", cmd.CommandPath(), what), "see `%s --help`", cmd.CommandPath())
		case maximum >= 0 && len(given) > maximum:
			return hinted(usagef("%s does not take %q: it takes %s", cmd.CommandPath(), given[maximum], what),
				"see `%s --help`", cmd.CommandPath())
		}
		return nil
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
