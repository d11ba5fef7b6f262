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

// sameSignal is how long after the first signal further ones count as the same.
const sameSignal = 200 * time.Millisecond

func main() {
	os.Exit(run())
}

func run() int {
	s := cmd.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	return cmd.Run(context.Background(), os.Args[1:], s, os.LookupEnv, catchSignals)
}

// catchSignals returns a context that the first signal cancels. It implements cmd.Catch.
func catchSignals(ctx context.Context, hangups chan<- os.Signal) context.Context {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	switch {
	case hangups != nil:
		signal.Notify(hangups, syscall.SIGHUP)
	case !signal.Ignored(syscall.SIGHUP): // nohup makes its command ignore SIGHUP
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(ctx, signals...)
	// A second signal stops the program immediately, unless it follows at once:
	// timeout(1) sends each signal twice, to the process and to its group.
	context.AfterFunc(ctx, func() { time.AfterFunc(sameSignal, stop) })
	// Catch SIGPIPE, so that a write to a closed stdout returns an error instead of
	// killing the program. (Ignoring SIGPIPE would affect child processes.)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return ctx
}
