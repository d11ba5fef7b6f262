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
	s := cmd.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	return cmd.Run(context.Background(), os.Args[1:], s, os.LookupEnv, catchSignals)
}

// catchSignals has the first signal ask a command to end, through its context.
func catchSignals(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second one ends it
	// A closed stdout comes back as an error from the write, so that the
	// command ends in order. (Ignoring SIGPIPE would reach child processes.)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return ctx, stop
}
