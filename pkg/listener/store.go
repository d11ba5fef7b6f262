package listener

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// stored stores events in a queue, from which they are forwarded.
type stored struct {
	e       *endpoint
	queue   *relay.Queue
	release func() error
	wanted  atomic.Pointer[[]*outlet] // the current targets

	// changing is held while the forwarders change.
	changing sync.Mutex
	running  map[string]forwarding // by route
	retrying bool
	work     context.Context //nolint:containedctx // ends with the sink; set by start
	stopWork context.CancelFunc
	retries  sync.WaitGroup

	final atomic.Pointer[relay.Stats] // set when the queue is about to be closed

	recovered <-chan struct{} // closed when Recover has finished; nil without Recover
	recovery  recoverFunc
}

func (e *endpoint) openStore(ctx context.Context, o relay.StoreOptions, targets []*outlet, recovery recoverFunc) (sink, error) {
	o.Routes, o.Logf = routesOf(targets), e.named(o.Logf)
	store, err := relay.Open(ctx, o)
	if err != nil {
		return nil, &StoreError{Err: err}
	}
	r := store.Recovery()
	if r.Waiting > 0 || r.Dead > 0 {
		e.info("in the store: %d waiting, %d dead letters", r.Waiting, r.Dead)
	}
	return e.newStored(store.Queue, store.Close, targets, recovery), nil
}

func (e *endpoint) newStored(queue *relay.Queue, release func() error, targets []*outlet, recovery recoverFunc) *stored {
	s := &stored{e: e, queue: queue, release: release, recovery: recovery, running: map[string]forwarding{}, stopWork: func() {}}
	s.wanted.Store(&targets)
	return s
}

func (s *stored) targets() []*outlet { return *s.wanted.Load() }

// accept answers with 204 once the event is stored or found to be a duplicate,
// and with 503 otherwise, so that Mender logs a success only for stored events.
func (s *stored) accept(ctx context.Context, r *receiver.Request) receiver.Answer {
	outcome, err := s.queue.Publish(ctx, relay.Event{ID: r.ID, Type: string(r.Type), Header: r.Header, Body: r.Body})
	switch outcome {
	case relay.Stored:
		return receiver.Answer{}
	case relay.Duplicate:
		return receiver.Answer{Duplicate: true, Header: http.Header{target.HeaderDuplicate: {"1"}}}
	}
	return unavailable(err)
}

func (s *stored) start(ctx context.Context) (err error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.work, s.stopWork = context.WithCancel(ctx)
	if s.recovery != nil {
		if s.recovered, err = s.recovery(s.work, s.queue); err != nil {
			return err
		}
	}
	return s.startForwarders()
}

// ready asks the queue whether it can store events, for at most one second.
func (s *stored) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return s.queue.Ready(ctx)
}

func (s *stored) stats() (relay.Stats, bool) {
	if final := s.final.Load(); final != nil {
		return *final, true
	}
	return s.queue.Stats(), true
}

// lastLook limits how long to read the state of the queue before it is closed.
const lastLook = 300 * time.Millisecond

func (s *stored) relayQueue() *relay.Queue { return s.queue }

func (s *stored) close(ctx context.Context) error {
	s.stopWork()
	s.retries.Wait()
	if s.recovered != nil {
		<-s.recovered
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	err := s.stopForwarders(ctx, nil, "it will be forwarded again after the next start")
	closeAll(s.targets()) // a forwarder has closed its own already
	look, cancel := context.WithTimeout(ctx, lastLook)
	defer cancel()
	_ = s.queue.Refresh(look) // otherwise, the figures are a second old
	final := s.queue.Stats()
	s.final.Store(&final)
	return errors.Join(err, s.release())
}
