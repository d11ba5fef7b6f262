package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"path/filepath"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// fakeLog is a log of failed deliveries, newest first; down makes it
// unreachable.
type fakeLog struct {
	now    time.Time
	events []mender.Event
	down   bool
}

var errDown = errors.New("down")

func (l *fakeLog) ServerTime(context.Context) (time.Time, error) {
	if l.down {
		return time.Time{}, errDown
	}
	return l.now, nil
}

func (l *fakeLog) Events(_ context.Context, q Query) iter.Seq2[mender.Event, error] {
	return func(yield func(mender.Event, error) bool) {
		for _, e := range l.events {
			if !e.Time.Before(q.Since) && !yield(e, nil) {
				return
			}
		}
	}
}

// withDeliveries returns an event as it is read from Mender's log.
func withDeliveries(e webhook.Event, deliveries ...mender.DeliveryStatus) (all mender.Event) {
	statuses, err := json.Marshal(deliveries)
	e.Extra = map[string]json.RawMessage{"delivery_statuses": statuses}
	text, failed := e.MarshalJSON()
	if err = errors.Join(err, failed, all.UnmarshalJSON(text)); err != nil {
		panic(err)
	}
	return all
}

func (l *fakeLog) fail(at time.Time, id string) {
	l.events = append([]mender.Event{withDeliveries(webhook.Event{ID: id, Type: "t", Time: at}, mender.DeliveryStatus{})}, l.events...)
}

// fakeInbox stores events, or refuses them if broken is set.
type fakeInbox struct {
	newest Received
	ids    []string
	broken bool
}

func (i *fakeInbox) Newest(context.Context) (Received, bool, error) {
	return i.newest, !i.newest.Time.IsZero(), nil
}

func (i *fakeInbox) Put(_ context.Context, e mender.Event) (bool, error) {
	if i.broken {
		return false, errDown
	}
	i.ids = append(i.ids, e.ID)
	return true, nil
}

// TestInterruptedRecoveryKeepsItsStartingPoint checks that events received
// meanwhile do not make a recovery skip the ones it has yet to fetch.
func TestInterruptedRecoveryKeepsItsStartingPoint(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	log, inbox := &fakeLog{now: at.Add(time.Hour)}, &fakeInbox{newest: Received{at, at}}
	log.fail(at.Add(-time.Hour), "old")
	log.fail(at.Add(10*time.Minute), "missed")
	file := filepath.Join(t.TempDir(), "recovery.json")
	run := func(fails bool) Recovered {
		t.Helper()
		r := &Recovery{Log: log, Inbox: inbox, File: file, Clock: func() time.Time { return log.now }}
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		inbox.newest = Received{log.now, log.now} // an event arrives during the recovery
		done, err := r.Run(t.Context())
		if (err != nil) != fails {
			t.Fatalf("error: %v", err)
		}
		return done
	}
	log.down = true
	run(true)
	log.down, inbox.broken = false, true
	run(true)
	inbox.broken = false
	if done := run(false); done.Failed != 1 || done.Stored != 1 || inbox.ids[0] != "missed" {
		t.Errorf("got %+v, %q", done, inbox.ids)
	}
	// Complete: the next one starts later.
	if done := run(false); done.Failed != 0 || !done.Since.Equal(log.now.Add(-recoverMargin)) {
		t.Errorf("got %+v", done)
	}
}

// TestRecoveryBearsClocksThatDiffer sets either clock ahead, and takes the newest
// event's time from either clock.
func TestRecoveryBearsClocksThatDiffer(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) // by the server's clock
	for _, ahead := range []time.Duration{0, 10 * time.Minute, -10 * time.Minute, 30 * time.Hour} {
		for name, eventTime := range map[string]time.Time{"Mender's": at, "ours": at.Add(ahead)} {
			log := &fakeLog{now: at.Add(6 * time.Minute)}
			log.fail(at.Add(3*time.Minute), "missed")
			r := &Recovery{
				Log: log, Inbox: &fakeInbox{newest: Received{Time: eventTime, At: at.Add(ahead)}},
				Clock: func() time.Time { return log.now.Add(ahead) },
			}
			if err := r.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if done, err := r.Run(t.Context()); err != nil || done.Stored != 1 || done.Since.After(at) {
				t.Errorf("ahead %s, %s: %+v, %v", ahead, name, done, err)
			}
		}
	}
}
