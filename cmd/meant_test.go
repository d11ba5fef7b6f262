package cmd_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd"
	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
)

// TestMeantCommandsExist checks that each suggested command line parses, and that no
// suggestion replaces a command that exists.
func TestMeantCommandsExist(t *testing.T) {
	t.Parallel()
	root := cmd.NewRootCmd()
	root.InitDefaultHelpCmd()
	for words, meant := range cli.MeantCommands() {
		checkCommandLine(t, words, " "+meant)
		c, rest, err := root.Find(strings.Fields(words))
		if err == nil && c != root && len(rest) == 0 {
			t.Errorf("%q is a command", words)
		}
		if got := cli.MeantCommand(root, strings.Fields(words)); got != meant {
			t.Errorf("%q: suggested %q, want %q", words, got, meant)
		}
	}
}

// TestMeantFlagsExist checks that each flag in the table leads to a flag of a command.
func TestMeantFlagsExist(t *testing.T) {
	t.Parallel()
	var all []*cobra.Command
	eachCommand(cmd.NewRootCmd(), func(c *cobra.Command) { all = append(all, c) })
	for typed, flags := range cli.MeantFlags() {
		exists := func(c *cobra.Command) bool {
			return slices.ContainsFunc(flags, func(meant string) bool { return c.Flag(meant) != nil })
		}
		if !slices.ContainsFunc(all, exists) {
			t.Errorf("--%s: no command has any of %v", typed, flags)
		}
	}
}
