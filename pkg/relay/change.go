package relay

import (
	"context"
	"errors"
	"fmt"
)

// Retry puts dead letters at the end of the queue, and retries failed events
// immediately. It continues after an error and returns all of them, joined. The
// error wraps ErrNotFound if an event is not in the queue or was delivered.
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
	err := q.requeue(ctx, id)
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	e, err := q.show(ctx, id)
	switch {
	case err != nil:
		return err
	case e.State == Delivered:
		return fmt.Errorf("%w: already delivered", ErrNotFound)
	}
	q.ask(ctx, order{Hurry: e.Sequence}) // if no forwarder is running, the next one to start forwards it
	return nil
}

// Drop permanently removes dead letters and waiting events. An attempt in
// progress may still succeed. It continues after an error and returns all of
// them, joined. The error wraps ErrNotFound if an event is not in the queue or
// was delivered.
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
		return fmt.Errorf("%w: already delivered", ErrNotFound)
	}
	q.ledger.remove()
	if err := remove(ctx, q.events, e.Sequence); err != nil {
		return err
	}
	q.ask(ctx, order{Settle: e.Sequence})
	return nil
}
