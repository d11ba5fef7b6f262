// Command skeleton is a Cobra program that does nothing. A benchmark compares the
// startup time of mender-webhooks with it.
package main

import (
	"os"

	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{
		Use:   "skeleton",
		Short: "Do nothing",
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	if root.Execute() != nil {
		os.Exit(1)
	}
}
