package fleet

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Queue is the queue of a listener. *relay.Queue implements it, and describes the
// methods.
type Queue interface {
	Position(ctx context.Context) (relay.Position, error)
	Stretch(ctx context.Context, after, last uint64) iter.Seq2[relay.Entry, error]
	List(ctx context.Context, state relay.State) iter.Seq2[relay.Entry, error]
	Crowded(ctx context.Context) (bool, error)
	Publish(ctx context.Context, e relay.Event) (relay.Outcome, error)
}

const (
	// foldSize is how many devices are in memory while events are folded.
	foldSize = 20_000
	// roomPause is how often a crowded queue is looked at.
	roomPause = time.Second
)

// Stored makes a State follow the events in a queue, and is an Outbox that stores
// events there: see InFolder and OnCluster. The known state is then what the application was told, or will be:
// waiting events and dead letters count.
type Stored struct {
	Queue Queue
	// State is set by InFolder and OnCluster.
	State *State
	// Waiting is called once if the queue is crowded: events are only stored while
	// waiting events take less than half of its room, so that webhooks are never
	// refused for them. nil ignores it.
	Waiting func()

	seen    uint64 // events up to here were looked at by Arrived
	arrived map[string]bool
	waited  bool
}

// run brings the state up to date with the queue, records the position with read, and
// runs r with the state.
func (s *Stored) run(ctx context.Context, r *Reconciler, read func(relay.Position) error) (Report, error) {
	known := s.State.HasBaseline()
	at, gap, err := s.Fold(ctx)
	if err != nil {
		return Report{}, err
	}
	if !r.DryRun {
		if err := read(at); err != nil {
			return Report{}, err
		}
	}
	r.State, r.Outbox, r.Arrived = s.State, s, s.Arrived
	report, err := r.Run(ctx)
	report.Lost, report.Gap = gap && !known, gap && known
	return report, err
}

// Fold brings the state up to date with the queue. It returns the position up to which
// it was read, and whether events are missing: they were removed before they were read.
func (s *Stored) Fold(ctx context.Context) (at relay.Position, gap bool, err error) {
	if at, err = s.Queue.Position(ctx); err != nil {
		return at, false, err
	}
	head := &s.State.head
	from := head.Sequence
	if head.Stream != at.Stream || from > at.Last {
		from = 0
	}
	gap = at.First > from+1
	f := folding{state: s.State, entries: map[string]Entry{}}
	for e, err := range s.Queue.List(ctx, relay.Dead) {
		if err := errors.Join(err, f.add(e)); err != nil {
			return at, gap, err
		}
	}
	for e, err := range s.Queue.Stretch(ctx, from, at.Last) {
		if err := errors.Join(err, f.add(e)); err != nil {
			return at, gap, err
		}
	}
	if len(f.entries) > 0 || head.Stream != at.Stream || head.Sequence != at.Last {
		head.Stream, head.Sequence = at.Stream, at.Last
		err = f.flush()
	}
	s.seen, s.arrived = at.Last, map[string]bool{}
	return at, gap, err
}

// folding collects the entries that events result in.
type folding struct {
	state   *State
	entries map[string]Entry
}

func (f *folding) add(stored relay.Entry) error {
	e, ok := deviceEvent(stored)
	if !ok {
		return nil
	}
	id := e.DeviceID()
	entry := f.entries[id]
	entry.ID = id
	if entry.Fold(e) {
		f.entries[id] = entry
	}
	if len(f.entries) < foldSize {
		return nil
	}
	return f.flush()
}

// deviceEvent returns the event in an entry if it reports the status of a device.
func deviceEvent(stored relay.Entry) (webhook.Event, bool) {
	e, err := webhook.ParseEvent(stored.Body)
	return e, err == nil && statusIn(e) != "" && e.DeviceID() != ""
}

func (f *folding) flush() error {
	all := make([]Entry, 0, len(f.entries))
	for _, e := range f.entries {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.ID, b.ID) })
	clear(f.entries)
	return f.state.update(seqOf(all), false, newer)
}

// newer combines two entries of a device that come from different events.
func newer(a, b Entry) Entry {
	if a.Gone() || !b.Gone() && !b.Time.After(a.Time) {
		return a
	}
	if a.Time.After(b.Time) {
		b.Time = a.Time
	}
	return b
}

// Arrived implements Reconciler.Arrived: it returns the devices of the events that were
// stored since Fold.
func (s *Stored) Arrived(ctx context.Context) (func(device string) bool, error) {
	at, err := s.Queue.Position(ctx)
	if err != nil {
		return nil, err
	}
	for stored, err := range s.Queue.Stretch(ctx, s.seen, at.Last) {
		if err != nil {
			return nil, err
		}
		if e, ok := deviceEvent(stored); ok {
			s.arrived[e.DeviceID()] = true
		}
	}
	s.seen = max(s.seen, at.Last)
	return func(device string) bool { return s.arrived[device] }, nil
}

// Send implements Outbox.
func (s *Stored) Send(ctx context.Context, e target.Event) (Outcome, error) {
	if err := s.wait(ctx); err != nil {
		return "", err
	}
	outcome, err := s.Queue.Publish(ctx, relay.Event{ID: e.ID, Type: e.Type, Header: e.Header, Body: e.Body})
	switch {
	case err != nil:
		return "", err
	case outcome == relay.Duplicate:
		return Known, nil
	}
	return Sent, nil
}

// wait returns once the queue is not crowded.
func (s *Stored) wait(ctx context.Context) error {
	for {
		crowded, err := s.Queue.Crowded(ctx)
		if err != nil || !crowded {
			return err
		}
		if !s.waited && s.Waiting != nil {
			s.Waiting()
		}
		s.waited = true
		select {
		case <-time.After(roomPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Undelivered returns the events that count as known, although the application does
// not have them yet: those that wait, or are dead letters.
func (s *Stored) Undelivered(ctx context.Context) iter.Seq2[relay.Entry, error] {
	return func(yield func(relay.Entry, error) bool) {
		for _, state := range []relay.State{relay.Waiting, relay.Dead} {
			for e, err := range s.Queue.List(ctx, state) {
				if err != nil {
					yield(e, fmt.Errorf("read the queue: %w", err))
					return
				}
				if _, ok := deviceEvent(e); ok && !yield(e, nil) {
					return
				}
			}
		}
	}
}
