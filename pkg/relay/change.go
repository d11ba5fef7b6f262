package relay

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Retry puts dead letters at the end of the queue, each for its route only, and retries
// failed events immediately. It continues after an error and returns all of them,
// joined. The error wraps ErrNotFound if an event is not in the queue or was delivered.
func (q *Queue) Retry(ctx context.Context, ids ...string) error {
	return each(ids, "retry", func(id string) error {
		e, done, err := q.changeOrFind(ctx, id, q.requeue)
		if done || err != nil {
			return err
		}
		q.ask(ctx, order{Hurry: e.Sequence}) // if no forwarder is running, the next one to start forwards it
		return nil
	})
}

// RetryOf retries dead letters of one route, as Retry does.
func (q *Queue) RetryOf(ctx context.Context, route string, ids ...string) error {
	return each(ids, "retry", func(id string) error { return q.changeOf(ctx, route, id, q.requeue) })
}

// Drop permanently removes dead letters and waiting events. A waiting event is removed
// for all routes; an attempt in progress may still succeed. Drop continues after an
// error and returns all of them, joined. The error wraps ErrNotFound if an event is not
// in the queue or was delivered.
func (q *Queue) Drop(ctx context.Context, ids ...string) error {
	return each(ids, "drop", func(id string) error {
		e, done, err := q.changeOrFind(ctx, id, q.removeLetter)
		if done || err != nil {
			return err
		}
		q.ledger.remove()
		if err := remove(ctx, q.events, e.Sequence); err != nil {
			return err
		}
		q.ask(ctx, order{Settle: e.Sequence})
		return nil
	})
}

// DropOf removes dead letters of one route, as Drop does.
func (q *Queue) DropOf(ctx context.Context, route string, ids ...string) error {
	return each(ids, "drop", func(id string) error { return q.changeOf(ctx, route, id, q.removeLetter) })
}

// each changes events by their key, and joins the errors.
func each(ids []string, action string, change func(id string) error) error {
	var failed []error
	for _, id := range ids {
		if err := change(key(id)); err != nil {
			failed = append(failed, fmt.Errorf("%s event %q: %w", action, id, err))
		}
	}
	return errors.Join(failed...)
}

type changeLetter func(ctx context.Context, letter *jetstream.RawStreamMsg, id string) error

// changeOf changes the dead letter that an event has for a route.
func (q *Queue) changeOf(ctx context.Context, route, id string, change changeLetter) error {
	n, err := q.changeLetters(ctx, []string{route}, id, change)
	if n == 0 && err == nil {
		return ErrNotFound
	}
	return err
}

// changeOrFind changes the dead letters of an event. If it has none, done is false and e
// is the event, which is waiting.
func (q *Queue) changeOrFind(ctx context.Context, id string, change changeLetter) (e Entry, done bool, err error) {
	n, err := q.changeLetters(ctx, q.letterRoutes(), id, change)
	if n > 0 || err != nil {
		return e, n > 0, err
	}
	e, err = q.showLive(ctx, id)
	if err == nil && e.State == Delivered {
		err = fmt.Errorf("%w: already delivered", ErrNotFound)
	}
	return e, false, err
}

// changeLetters changes the dead letters of an event, and returns how many it has.
func (q *Queue) changeLetters(ctx context.Context, routes []string, id string, change changeLetter) (int, error) {
	letters, err := q.lettersOf(ctx, routes, id)
	for _, letter := range letters {
		err = errors.Join(err, change(ctx, letter, id))
	}
	return len(letters), err
}

func (q *Queue) removeLetter(ctx context.Context, letter *jetstream.RawStreamMsg, _ string) error {
	return q.removeDead(ctx, letter.Sequence)
}
