package relay

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"time"
)

// Position is the place of the events in the stream. Sequences are only comparable
// within a stream that was not created again.
type Position struct {
	Stream      string // identifies the stream
	First, Last uint64 // sequences of the oldest and the newest event
}

// Position returns the place of the events that are in the stream now.
func (q *Queue) Position(ctx context.Context) (Position, error) {
	info, err := q.events.Info(ctx)
	if err != nil {
		return Position{}, fmt.Errorf("read the state of the queue: %w", readError(err))
	}
	return Position{
		Stream: info.Config.Name + " of " + info.Created.UTC().Format(time.RFC3339Nano),
		First:  info.State.FirstSeq, Last: info.State.LastSeq,
	}, nil
}

// Stretch returns the events, waiting or delivered, whose sequence is greater than
// after and at most last, in their order. Their State is not set.
func (q *Queue) Stretch(ctx context.Context, after, last uint64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		q.entries(ctx, q.events, after+1, "events", newEntry, func(e Entry, err error) bool {
			return (err != nil || e.Sequence <= last) && yield(e, err)
		})
	}
}

// Crowded reports whether waiting events take more than half of the queue's room.
func (q *Queue) Crowded(ctx context.Context) (bool, error) {
	s, _, err := q.status(ctx)
	if err != nil {
		return false, fmt.Errorf("read the state of the queue: %w", err)
	}
	// Events have about the same size.
	return s.MaxBytes > 0 && float64(s.Bytes)*float64(s.Waiting)/float64(max(s.Waiting+s.Kept, 1)) > float64(s.MaxBytes)/2, nil
}

// CheckOwner returns an error if this process runs as root and the store in dir
// belongs to another user, who could not read the files that root creates there.
func CheckOwner(dir string) error {
	_, err := actAsOwner(&dir, false)
	return err
}

// readFile is a store's file for the position up to which its events were read.
const readFile = "read.json"

// MarkRead records that the events of the store in dir were read up to a position.
// From then on, delivered events are retained until they were read, unless their
// room is needed.
func MarkRead(dir string, p Position) error {
	if err := writeJSON(dir, readFile, p); err != nil {
		return fmt.Errorf("record the position in the store in %s: %w", filepath.Clean(dir), err)
	}
	return nil
}

// unread returns the first sequence that must be retained, or a greater one than any
// event has.
func (q *Queue) unread(ctx context.Context) uint64 {
	if q.read == nil {
		return noSequence
	}
	marked, ok := q.read()
	now, err := q.Position(ctx)
	if !ok || err != nil || marked.Stream != now.Stream {
		return noSequence
	}
	return marked.Last + 1
}

const noSequence = 1<<64 - 1

// lastRead returns the position of MarkRead.
func (s *Store) lastRead() (Position, bool) {
	p, found, err := readJSON[Position](s.o.Dir, readFile)
	return p, found && err == nil
}
