package relay

import (
	"context"
	"errors"
	"fmt"
)

// Retry puts dead letters back, at the end of the line, and makes the next
// attempt of an event that failed at once. It goes on after an event that
// fails, and returns all errors; those of events that are not kept, or were
// delivered already, wrap ErrNotFound.
func (q *Queue) Retry(ctx context.Context, ids ...string) error {
	var failed []error
	for _, id := range ids {
		if err := q.retry(ctx, key(id)); err != nil {
			failed = append(failed, fmt.Errorf("retry event %q: %w", id, err))
		}
	}
	return errors.Join(failed...)
}

func (q *Queue) retry(ctx context.Context, id string) error {
	err := q.revive(ctx, id)
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	e, err := q.show(ctx, id)
	switch {
	case err != nil:
		return err
	case e.State == Delivered:
		return fmt.Errorf("%w: it was delivered already", ErrNotFound)
	}
	q.ask(ctx, order{Hurry: e.Sequence}) // where nobody forwards, it is tried first thing
	return nil
}

// Drop removes events for good: dead letters, or events that wait. One whose
// attempt is under way may still be delivered. It goes on after an event that
// fails, and returns all errors; those of events that are not kept, or were
// delivered already, wrap ErrNotFound.
func (q *Queue) Drop(ctx context.Context, ids ...string) error {
	var failed []error
	for _, id := range ids {
		if err := q.drop(ctx, key(id)); err != nil {
			failed = append(failed, fmt.Errorf("drop event %q: %w", id, err))
		}
	}
	return errors.Join(failed...)
}

func (q *Queue) drop(ctx context.Context, id string) error {
	e, err := q.show(ctx, id)
	switch {
	case err != nil:
		return err
	case e.State == Dead:
		return q.removeDead(ctx, e.Sequence)
	case e.State == Delivered:
		return fmt.Errorf("%w: it was delivered already", ErrNotFound)
	}
	q.ledger.remove()
	if err := remove(ctx, q.events, e.Sequence); err != nil {
		return err
	}
	q.ask(ctx, order{Settle: e.Sequence})
	return nil
}
