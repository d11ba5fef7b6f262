package listener

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// backlog is how many events may wait for the target. Further ones are refused, so
// that Mender logs them as failed.
const backlog = 256

var errBacklog = errors.New("too many events wait for the target")

// background answers each event at once and forwards it later, in a single attempt.
// If that fails, the event is lost.
type background struct {
	nowhere
	e       *endpoint
	target  *outlet
	events  chan target.Event
	stop    context.CancelFunc // ends taking events once none waits
	abort   context.CancelFunc // ends attempts
	workers sync.WaitGroup
	lost    atomic.Int64 // not attempted, or aborted
}

func (e *endpoint) openBackground(t *outlet) sink {
	return &background{e: e, target: t, events: make(chan target.Event, backlog), stop: func() {}, abort: func() {}}
}

func (b *background) targets() []*outlet { return []*outlet{b.target} }

func (b *background) accept(_ context.Context, r *receiver.Request) receiver.Answer {
	select {
	case b.events <- target.Event{ID: r.ID, Type: string(r.Type), Header: r.Header, Body: r.Body}:
		return receiver.Answer{}
	default:
		return unavailable(errBacklog)
	}
}

func (b *background) start(context.Context) error {
	var take, work context.Context
	take, b.stop = context.WithCancel(context.Background())
	work, b.abort = context.WithCancel(context.Background())
	for range max(b.target.Forward.Concurrency, 1) {
		b.workers.Go(func() { b.run(take, work) })
	}
	return nil
}

// run forwards events until none waits and take has ended.
func (b *background) run(take, work context.Context) {
	for {
		select {
		case e := <-b.events:
			b.forward(work, e)
			continue
		default:
		}
		select {
		case e := <-b.events:
			b.forward(work, e)
		case <-take.Done():
			if len(b.events) == 0 {
				return
			}
		}
	}
}

func (b *background) forward(work context.Context, e target.Event) {
	if work.Err() != nil {
		b.lost.Add(1)
		return
	}
	r := b.target.Deliver(work, e)
	if r.Err != nil && work.Err() != nil {
		b.lost.Add(1)
		return
	}
	b.e.l.hub.publish(Attempted{
		Endpoint: b.e.name,
		At:       time.Now(), ID: e.ID, Type: e.Type, Target: b.target.String(), Attempt: 1,
		Status: r.Status, Err: r.Err, Duration: r.Duration,
	})
	if r.Err != nil {
		b.e.warn("event %q is lost: %v", e.ID, r.Err)
	}
}

func (b *background) close(ctx context.Context) error {
	b.stop()
	defer context.AfterFunc(ctx, b.abort)()
	b.workers.Wait()
	b.abort()
	if n := b.lost.Load() + int64(len(b.events)); n > 0 {
		b.e.warn("events lost because listen stopped before they were forwarded: %d", n)
	}
	return b.target.Close()
}
