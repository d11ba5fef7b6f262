package receiving

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/replay"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// recoverMargin is how far before the newest stored event the log is read:
// events are saved in any order, up to 10 s late.
const recoverMargin = time.Minute

// startRecovery takes in, beside what comes, what Mender's log says failed
// since the newest event in the store. What the store has already is a
// duplicate, and stays one. Where the log can't be read, listen goes on: what
// comes now matters more.
func (l *listening) startRecovery(ctx context.Context, queue *relay.Queue) (done <-chan struct{}, err error) {
	client, err := l.app.Connect()
	if err != nil {
		return nil, cli.Hinted(err, "--recover asks Mender's log; without it, listen needs no server")
	}
	since, err := newestStored(ctx, queue) // before anything new comes
	if err != nil {
		return nil, err
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		if err := l.recoverMissed(ctx, client, queue, since); err != nil && ctx.Err() == nil {
			l.app.Warn("--recover: %v; `mender-webhooks redeliver --failed` does it later", err)
		}
	}()
	return finished, nil
}

func (l *listening) recoverMissed(ctx context.Context, client *mender.Client, queue *relay.Queue, since time.Time) error {
	now, err := client.ServerTime(ctx)
	if err != nil {
		return err
	}
	query := mender.EventQuery{PageSize: mender.MaxPageSize}
	if !since.IsZero() {
		query.Since = since.Add(-recoverMargin)
	}
	var missed []mender.Event
	for e, err := range client.Events(ctx, query) {
		if err != nil {
			return err
		}
		if e.Failed() {
			missed = append(missed, e.Clone())
		}
	}
	taken := 0
	for _, e := range slices.Backward(missed) { // in the order in which they happened
		outcome, err := publishRebuilt(ctx, queue, e, l.signingSecret())
		if err != nil {
			return err
		}
		if outcome == relay.Stored {
			taken++
		}
	}
	l.app.Say("recovered %d of %s that Mender's log says failed since %s; the rest was here already",
		taken, cli.Plural(len(missed), "event"), sinceText(query.Since, now))
	l.app.Say("what can't be recovered: deliveries that ran into the server's 10 seconds never get into its log, and what is older than a week is gone")
	return nil
}

func sinceText(since, now time.Time) string {
	if since.IsZero() {
		return "it began (a week at most)"
	}
	return since.Format(time.RFC3339) + ", " + now.Sub(since).Round(time.Second).String() + " ago"
}

// newestStored is when the newest event in the store was stored, or zero.
func newestStored(ctx context.Context, queue *relay.Queue) (time.Time, error) {
	var newest time.Time
	for _, state := range []relay.State{relay.Waiting, relay.Delivered, relay.Dead} {
		for e, err := range queue.List(ctx, state) {
			if err != nil {
				return newest, err
			}
			if e.Stored.After(newest) {
				newest = e.Stored
			}
		}
	}
	return newest, nil
}

// signingSecret signs what was rebuilt, so that an application that checks
// signatures takes it. Of several it is the first.
func (l *listening) signingSecret() webhook.Secret {
	if secrets := l.secrets(); len(secrets) > 0 {
		return secrets[0]
	}
	return webhook.Secret{}
}

// publishRebuilt stores an event of the log as if it had been delivered.
func publishRebuilt(ctx context.Context, queue *relay.Queue, e mender.Event, secret webhook.Secret) (relay.Outcome, error) {
	rebuilt, err := replay.FromLog(e, secret)
	if err != nil {
		return "", err
	}
	outcome, err := queue.Publish(ctx, relay.Event{ID: rebuilt.ID, Type: rebuilt.Type, Body: rebuilt.Body, Header: rebuilt.Header})
	if errors.Is(err, relay.ErrFull) {
		return outcome, cli.Hinted(err, "--max-bytes allows more")
	}
	return outcome, err
}
