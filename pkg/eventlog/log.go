package eventlog

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// slack is how far out of order events may be in the log without any after Since
// being missed.
const slack = time.Minute

// Query selects events. The zero Query selects all of them.
type Query struct {
	// IntegrationID selects events that went to one integration.
	IntegrationID string
	// Types selects events of these types; empty selects all.
	Types []webhook.EventType
	// Device selects events of one device, by its id, and Status those that
	// report this status.
	Device string
	Status webhook.DeviceStatus
	// Failed selects events with at least one failed delivery.
	Failed bool
	// Since and Until bound the events' time by the server's clock: Since is the
	// first moment that is included, Until the first that is not. Zero is no
	// bound.
	Since, Until time.Time
	// Limit is the largest number of events to return, counted from the newest;
	// 0 means no limit.
	Limit int

	pageSize int // for tests; 0 fits what will be read
}

// matches reports whether an event matches the query, apart from its time.
func (q Query) matches(e *mender.Event) bool {
	return (len(q.Types) == 0 || slices.Contains(q.Types, e.Type)) &&
		(q.Device == "" || e.DeviceID() == q.Device) &&
		(q.Status == "" || e.DeviceStatus() == q.Status) &&
		(!q.Failed || e.Failed()) &&
		(q.IntegrationID == "" || slices.ContainsFunc(e.Deliveries(), func(d mender.DeliveryStatus) bool {
			return d.IntegrationID == q.IntegrationID // servers before 4.1 do not filter
		}))
}

// IsAll reports whether the query selects all events, up to its limit.
func (q Query) IsAll() bool { return !q.filters() && q.Since.IsZero() && q.Until.IsZero() }

// filters reports whether the query excludes events based on their content.
func (q Query) filters() bool {
	return len(q.Types) > 0 || q.Device != "" || q.Status != "" || q.Failed || q.IntegrationID != ""
}

func (q Query) covers(at time.Time) bool {
	return !at.Before(q.Since) && (q.Until.IsZero() || at.Before(q.Until))
}

// size is the number of events to fetch at once.
func (q Query) size() int {
	switch {
	case q.pageSize > 0:
		return q.pageSize
	case q.Limit == 0 || q.filters() || !q.Until.IsZero():
		return mender.MaxPageSize
	}
	return min(q.Limit, mender.MaxPageSize)
}

// Log is the activity log of an organization. It is safe for concurrent use.
type Log struct{ client *mender.Client }

// New returns the log of the organization that a client has access to.
func New(client *mender.Client) *Log { return &Log{client} }

// ServerTime returns the time by the server's clock; see mender.Client.
func (l *Log) ServerTime(ctx context.Context) (time.Time, error) { return l.client.ServerTime(ctx) }

// Events returns the events that match a query, newest first. It does not return
// events that arrive after the first page was read. Memory is bounded, however
// long the log is.
//
// Nothing is sent until the first event is requested. From the second page on, a
// few pages are fetched ahead. An error is the last value, with a zero event.
func (l *Log) Events(ctx context.Context, q Query) iter.Seq2[mender.Event, error] {
	return l.EventsWithProgress(ctx, q, func(mender.Event) {})
}

// EventsWithProgress is like Events, and also calls read for every event that it
// reads, whether it matches or not.
func (l *Log) EventsWithProgress(ctx context.Context, q Query, read func(mender.Event)) iter.Seq2[mender.Event, error] {
	return func(yield func(mender.Event, error) bool) {
		r := &reading{query: q, seen: newWindow(windowSize), read: read, yield: yield}
		for page, err := range mender.Pages(ctx, func(ctx context.Context, n int) (mender.Page[mender.Event], error) {
			return l.client.EventsPage(ctx, q.IntegrationID, n, q.size())
		}) {
			var events []mender.Event
			if err == nil {
				events, err = page.Items()
			}
			if err != nil {
				yield(mender.Event{}, err)
				return
			}
			if !r.readPage(events) {
				return
			}
		}
	}
}

// DeviceID returns the id of the device that a unique prefix stands for. A complete
// id, and a text with which no device in the log begins, is returned unchanged. If
// several devices match, the error is a fault of kind Usage. It reads the log
// only if the text is not a UUID.
func (l *Log) DeviceID(ctx context.Context, prefix string) (string, error) {
	if prefix == "" || uuid.Validate(prefix) == nil {
		return prefix, nil
	}
	var found []string
	for e, err := range l.Events(ctx, Query{}) {
		if err != nil {
			return "", err
		}
		switch id := e.DeviceID(); {
		case id == prefix:
			return id, nil
		case strings.HasPrefix(id, prefix) && !slices.Contains(found, id) && len(found) < maxMatches:
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return prefix, nil
	case 1:
		return found[0], nil
	}
	return "", fault.WithHint(fault.Usagef("more than one device's id begins with %q", prefix),
		"pass a longer prefix of %s", strings.Join(found, ", "))
}

// maxMatches is how many ids an error about an ambiguous prefix lists.
const maxMatches = 5

// Find returns the event with an id, or with a unique prefix of one. It returns
// a fault of kind NotFound if no event matches, and of kind Usage if several do.
func (l *Log) Find(ctx context.Context, id string) (mender.Event, error) {
	var found []mender.Event
	id = strings.ToLower(id)
	for e, err := range l.Events(ctx, Query{}) {
		if err != nil {
			return mender.Event{}, err
		}
		if e.ID == id {
			return e, nil
		}
		if strings.HasPrefix(e.ID, id) {
			found = append(found, e)
		}
		if len(found) > 1 {
			return mender.Event{}, fault.WithHint(fault.Usagef("ambiguous event id %q: %d events match", id, len(found)),
				"pass a longer prefix, such as of %s or %s", found[0].ID, found[1].ID)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	return mender.Event{}, fault.WithHint(fault.New(fault.NotFound, "there is no event %q in the log", id),
		"run `mender-webhooks activity` to list events; Mender keeps them for a week")
}
