// Command mender-webhooks manages Mender's webhook integrations and receives
// their events.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/mender-webhooks/mender-webhooks/cmd"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal asks the command to end; the second one ends it.
	context.AfterFunc(ctx, stop)
	// A closed stdout comes back as an error from the write, so that the
	// command ends in order. (Ignoring SIGPIPE would reach child processes.)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return cmd.Run(ctx, os.Args[1:], cmd.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.LookupEnv)
}
