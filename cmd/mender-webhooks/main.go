// Command mender-webhooks manages Mender's webhook integrations and receives
// their events.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd"
)

// sameSignal is how long further signals count as the first one.
const sameSignal = 200 * time.Millisecond

func main() {
	os.Exit(run())
}

func run() int {
	s := cmd.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	return cmd.Run(context.Background(), os.Args[1:], s, os.LookupEnv, catchSignals)
}

// catchSignals has the first signal ask a command to end, through its context.
func catchSignals(ctx context.Context) (context.Context, context.CancelFunc) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(ctx, signals...)
	// The second one ends it. It has to be meant: timeout(1) sends each twice, to
	// the process and to its group.
	context.AfterFunc(ctx, func() { time.AfterFunc(sameSignal, stop) })
	// A closed stdout comes back as an error from the write, so that the
	// command ends in order. (Ignoring SIGPIPE would reach child processes.)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return ctx, stop
}
