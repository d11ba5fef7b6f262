package relay

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go/jetstream"
)

// Recovery is what Open found in the folder.
type Recovery struct {
	// Unclean says that the process before this one did not close the store.
	Unclean bool
	// Waiting, Kept and Dead are the events that are there.
	Waiting, Kept, Dead uint64
	// Lost is how many of the last events are missing, as far as is known:
	// the end of a file was torn off.
	Lost uint64
	// Found is what the server had to say, warnings and errors.
	Found []string
}

// isConsumerLost reports whether the server can neither read the consumer's
// state nor replace it.
func isConsumerLost(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeConsumerCreate
}

// forgetConsumer stops the server and removes what it can't read. The cursor
// knows enough to go on.
func (s *Store) forgetConsumer(prefix string, resume uint64) error {
	s.o.Logf("what was forwarded can't be read: forwarding goes on after %d", resume)
	s.server.stop()
	return os.RemoveAll(filepath.Join(filepath.Dir(s.blocks(prefix, "EVENTS")), "obs", consumerName))
}

// report finds out, and says, what was found.
func (s *Store) report(ctx context.Context, before cursor, known bool) error {
	state, p, err := s.status(ctx)
	if err != nil {
		return err
	}
	s.written = before
	r := &s.recovery
	r.Waiting, r.Kept, r.Dead = state.Waiting, state.Kept, state.Dead
	if known && before.Last > p.last {
		r.Lost = before.Last - p.last
	}
	switch {
	case r.Lost > 0:
		s.o.Logf("the store in %s lost at least its last %d events; %d wait, %d are dead", s.o.Dir, r.Lost, r.Waiting, r.Dead)
	case r.Unclean:
		s.o.Logf("the store in %s was not closed the last time; %d events wait, %d are dead", s.o.Dir, r.Waiting, r.Dead)
	}
	return nil
}

// Recovery returns what Open found.
func (s *Store) Recovery() Recovery { return s.recovery }
