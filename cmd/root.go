// Package cmd assembles the command line of mender-webhooks. It builds the tree
// of commands and the help, and runs a command line. The commands themselves are
// in subfolders, one for each group in the help. Package cli contains the code
// that they share.
package cmd

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/access"
	"github.com/mender-webhooks/mender-webhooks/cmd/activity"
	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/cmd/integrations"
	"github.com/mender-webhooks/mender-webhooks/cmd/local"
	"github.com/mender-webhooks/mender-webhooks/cmd/receiving"
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

// Streams are the input and output of the program.
type Streams = cli.Streams

// Run runs a command line, without the program's name, and returns the exit code.
// It stops early if ctx is canceled. lookupEnv is os.LookupEnv, except in tests.
//
// catch, if not nil, returns the context of the command, which signals cancel. It
// is not called for help, because starting the threads that handle signals takes
// a seventh of the time that help takes. The signals remain caught, so that one that
// arrives as the command ends does not change the exit code.
func Run(ctx context.Context, args []string, s cli.Streams, lookupEnv func(string) (string, bool), catch Catch) int {
	return run(ctx, &cli.App{In: s.In, Out: s.Out, Err: s.Err, Env: lookupEnv, Now: time.Now, ExitCode: exitCode}, args, catch)
}

// Catch returns a context that signals cancel. If hangups is not nil, SIGHUP does not cancel
// the context, but is sent to hangups.
type Catch func(ctx context.Context, hangups chan<- os.Signal) context.Context

func run(ctx context.Context, a *cli.App, args []string, catch Catch) int {
	root := newRootCmd(a)
	root.PersistentPreRunE = func(cmd *cobra.Command, given []string) error {
		if cmd == root && wantsVersion(root) {
			root.Annotations = cli.PrintsResult()
		}
		if err := a.Begin(cmd, given, args); err != nil || catch == nil {
			return err
		}
		ctx = catch(ctx, a.CatchHangups(cmd))
		a.Interrupted = ctx.Done()
		cmd.SetContext(ctx)
		return nil
	}
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		a.AddCompletions(root)
	}
	root.SetArgs(args)
	root.SetIn(a.In)
	root.SetErr(a.Err)
	err := root.ExecuteContext(ctx)
	return report(ctx, a, err)
}

// NewRootCmd returns the command tree for generating docs and completions. Its
// commands cannot be run.
func NewRootCmd() *cobra.Command {
	return newRootCmd(&cli.App{Env: func(string) (string, bool) { return "", false }, Now: time.Now})
}

func newRootCmd(a *cli.App) *cobra.Command {
	root := &cobra.Command{
		Use:   "mender-webhooks COMMAND",
		Short: "Manage Mender webhooks and receive their events",
		Long: `Set up the webhooks of a Mender organization, see which events Mender sent and
which deliveries failed, and receive events with their signatures checked.

New here? Run ` + "`mender-webhooks demo`" + ` to see a complete round trip on this
machine.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cli.UnknownCommand,
	}
	version := local.NewVersionCmd(a)
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if wantsVersion(cmd) {
			return version.RunE(cmd, nil)
		}
		return cmd.Help()
	}
	root.Flags().Bool("version", false, "show the version, like the command version")
	root.SetOut(a.Stdout()) // before help topics and completions are added, which use it
	root.AddGroup(
		&cobra.Group{ID: groupIntegrations, Title: "Integrations:"},
		&cobra.Group{ID: groupActivity, Title: "Activity:"},
		&cobra.Group{ID: groupReceiving, Title: "Receiving:"},
		&cobra.Group{ID: groupAccess, Title: "Access:"},
		&cobra.Group{ID: groupLocal, Title: "On this machine:"},
	)
	root.SetFlagErrorFunc(cli.FlagError)
	root.SetUsageFunc(a.PrintUsage)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { a.PrintHelp(cmd) })

	global := root.PersistentFlags()
	global.StringVarP(&a.Flags.Output, "output", "o", "", "output `FORMAT`; each command's help lists its formats")
	global.BoolVar(&a.Flags.NoHeaders, "no-headers", false, "print tables without headings")
	global.StringVar(&a.Flags.Jq, "jq", "", "filter JSON output with a jq `EXPRESSION`")
	global.BoolVarP(&a.Flags.Quiet, "quiet", "q", false, "print nothing to stderr except errors")
	global.BoolVar(&a.Flags.NoColor, "no-color", false, "disable colors (variable NO_COLOR)")
	global.BoolVar(&a.Flags.Debug, "debug", false, "print requests and responses to stderr, with secrets masked")
	config.RegisterFlags(global)
	a.SettingFlags = global
	global.SortFlags = false

	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupIntegrations, integrations.NewCreateCmd(a), integrations.NewListCmd(a), integrations.NewInspectCmd(a), integrations.NewUpdateCmd(a), integrations.NewDeleteCmd(a))
	add(groupIntegrations, integrations.NewApplyCmd(a), integrations.NewExportCmd(a))
	add(groupActivity, activity.NewActivityCmd(a), activity.NewRedeliverCmd(a), activity.NewReconcileCmd(a))
	add(groupReceiving, receiving.NewListenCmd(a), receiving.NewQueueCmd(a), receiving.NewTriggerCmd(a), receiving.NewVerifyCmd(a))
	add(groupAccess, access.NewLoginCmd(a), access.NewLogoutCmd(a), access.NewWhoamiCmd(a), access.NewTokenCmd(a), access.NewConfigCmd(a), access.NewSecretCmd(a), access.NewDoctorCmd(a), access.NewAPICmd(a))
	add(groupLocal, local.NewSandboxCmd(a), local.NewDemoCmd(a), version)
	addHelp(a, root)
	return root
}

// wantsVersion reports whether --version is given.
func wantsVersion(root *cobra.Command) bool {
	wanted, err := root.Flags().GetBool("version")
	return err == nil && wanted
}
