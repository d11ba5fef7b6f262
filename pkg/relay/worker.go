package relay

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	flushPause  = 2 * time.Millisecond
	flushTime   = 500 * time.Millisecond
	pullWait    = 30 * time.Second
	outagePause = 100 * time.Millisecond
)

// run is one worker: it takes an event, makes an attempt, and settles it.
func (f *Forwarder) run() {
	for f.take.Err() == nil {
		ctx, cancel := context.WithTimeout(f.take, pullWait)
		msg, err := f.cons.Next(f.pull(ctx)...)
		cancel()
		switch {
		case msg != nil:
			f.handle(msg)
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		case err != nil:
			// The store is away, or starts anew.
			select {
			case <-time.After(outagePause):
			case <-f.take.Done():
			}
		}
	}
}

// pull is how an event is asked for. A cluster's leader that goes away does
// not say so, but is not heard any more.
func (f *Forwarder) pull(ctx context.Context) []jetstream.FetchOpt {
	options := []jetstream.FetchOpt{jetstream.FetchContext(ctx)}
	if !f.q.o.single {
		options = append(options, jetstream.FetchHeartbeat(min(f.q.o.AckWait/2, pullWait/10)))
	}
	return options
}

// flush waits until the store has heard of all that was settled: its server
// takes acknowledgements from a queue, which it drops when it ends.
func (f *Forwarder) flush() {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	if !f.q.o.single {
		f.confirmed(f.q.o.AckWait)
		return
	}
	for {
		info, err := f.cons.Info(ctx)
		if err != nil || info.NumAckPending <= len(f.tracker.open())+int(f.returned.Load()) {
			return
		}
		select {
		case <-time.After(flushPause):
		case <-ctx.Done():
			return
		}
	}
}
