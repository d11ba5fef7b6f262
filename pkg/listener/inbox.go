package listener

import (
	"context"
	"errors"

	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/replay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Inbox returns an eventlog.Inbox that stores recovered events in the queue. It
// rebuilds them from Mender's log and signs them with the secret.
func Inbox(queue *relay.Queue, secret func() webhook.Secret) eventlog.Inbox {
	return inbox{queue, secret}
}

type inbox struct {
	queue  *relay.Queue
	secret func() webhook.Secret
}

// Newest implements eventlog.Inbox.
func (i inbox) Newest(ctx context.Context) (newest eventlog.Received, found bool, err error) {
	_, err = i.queue.Latest(ctx, func(e relay.Entry) bool {
		event, err := webhook.ParseEvent(e.Body)
		if err != nil || event.Time.IsZero() || e.Header.Get(target.HeaderRebuilt) != "" {
			return false
		}
		newest = eventlog.Received{Time: event.Time, At: e.Stored}
		return true
	})
	if errors.Is(err, relay.ErrNotFound) {
		return newest, false, nil
	}
	return newest, err == nil, err
}

// Put implements eventlog.Inbox.
func (i inbox) Put(ctx context.Context, e mender.Event) (bool, error) {
	rebuilt, err := replay.FromLog(e, i.secret())
	if err != nil {
		return false, err
	}
	outcome, err := i.queue.Publish(ctx, relay.Event{ID: rebuilt.ID, Type: rebuilt.Type, Body: rebuilt.Body, Header: rebuilt.Header})
	return outcome == relay.Stored, err
}
