package relay

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	ackTimeout  = 500 * time.Millisecond
	pullWait    = 30 * time.Second
	outagePause = 100 * time.Millisecond
)

// run takes and handles events, one at a time.
func (f *Forwarder) run() {
	for f.take.Err() == nil {
		ctx, cancel := context.WithTimeout(f.take, pullWait)
		msg, err := f.route.consumer().Next(f.pull(ctx)...)
		cancel()
		switch {
		case msg != nil:
			f.handle(msg)
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		case err != nil:
			// The server is unreachable or restarting.
			select {
			case <-time.After(outagePause):
			case <-f.take.Done():
			}
		}
	}
}

// pull returns the options of a request for an event. On a cluster it asks for
// heartbeats, since only their absence shows that the leader is gone.
func (f *Forwarder) pull(ctx context.Context) []jetstream.FetchOpt {
	options := []jetstream.FetchOpt{jetstream.FetchContext(ctx)}
	if !f.q.o.single {
		options = append(options, jetstream.FetchHeartbeat(min(f.q.o.AckWait/2, pullWait/10)))
	}
	return options
}

// ack acknowledges an event and waits for the server to confirm. Without confirmation,
// the consumer delivers the event again after AckWait. If this process gets it, the
// tracker recognizes it; another listener would forward it a second time.
func (f *Forwarder) ack(msg jetstream.Msg) {
	ctx, cancel := context.WithTimeout(f.work, ackTimeout)
	defer cancel()
	_ = msg.DoubleAck(ctx)
}
