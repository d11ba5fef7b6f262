package fleet

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/replay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// change is a suspect that counts.
type change struct {
	suspect
	found mender.Device // in deviceauth; zero if the device is gone
	at    time.Time     // between the change and any later change
	// logged is the device's newest event in the log, and provisioned its
	// device-provisioned, if they are newer than the known ones.
	logged, provisioned *mender.Event
}

// resolveChunk looks at suspects once more, sends events for those that count, and
// records them. It adds those that changed again to again.
func (r *Reconciler) resolveChunk(ctx context.Context, suspects []suspect, again *journal) error {
	r.arrived = func(string) bool { return false }
	if r.Arrived != nil {
		arrived, err := r.Arrived(ctx)
		if err != nil {
			return err
		}
		r.arrived = arrived
	}
	suspects, err := r.stillKnown(suspects)
	if err != nil {
		return err
	}
	var changes []*change
	for part := range slices.Chunk(suspects, batch) {
		confirmed, err := r.confirm(ctx, part, again)
		if err != nil {
			return err
		}
		changes = append(changes, confirmed...)
	}
	if len(changes) == 0 {
		return nil
	}
	if err := r.askLog(ctx, changes); err != nil {
		return err
	}
	var told []Entry
	var failed error
	for _, c := range changes {
		var entry Entry
		if entry, failed = r.announce(ctx, c); failed != nil {
			break
		}
		if entry.ID != "" {
			told = append(told, entry)
		}
	}
	if r.DryRun || len(told) == 0 {
		return failed
	}
	// Sent events are recorded even if the run was interrupted.
	slices.SortFunc(told, func(a, b Entry) int { return strings.Compare(a.ID, b.ID) })
	return errors.Join(failed, r.State.Update(seqOf(told), false))
}

func seqOf[T any](values []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range values {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// stillKnown returns the suspects, which are ordered by id, whose last known event is
// the one that it was in the scan. The scan can have been interrupted, and continued
// with a state that had been updated.
func (r *Reconciler) stillKnown(suspects []suspect) ([]suspect, error) {
	var still []suspect
	for pair, err := range joined(r.State.Entries(), seqOf(suspects), func(s suspect) string { return s.ID }) {
		if err != nil {
			return nil, err
		}
		if pair.right == nil {
			continue
		}
		before, now := pair.right.From, pair.left
		if before == now || before != nil && now != nil && before.Last == now.Last && before.Status == now.Status {
			still = append(still, *pair.right)
		} else {
			r.report.Settled++
		}
	}
	return still, nil
}

// confirm asks deviceauth for up to a batch of suspects, and returns those that have
// the same status as before.
func (r *Reconciler) confirm(ctx context.Context, suspects []suspect, again *journal) ([]*change, error) {
	at, err := r.Devices.ServerTime(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(suspects))
	for i, s := range suspects {
		ids[i] = s.ID
	}
	devices, err := r.Devices.DevicesByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	found := make(map[string]mender.Device, len(devices))
	for _, d := range devices {
		found[d.ID] = d
	}
	var changes []*change
	for _, s := range suspects {
		d, exists := found[s.ID]
		status := d.Status
		if !exists {
			status = webhook.StatusDecommissioned
		}
		switch {
		case s.From != nil && s.From.Status == status, s.From == nil && !exists, r.arrived(s.ID):
			r.report.Settled++
		case d.Decommissioning:
			r.report.Unsettled++
		case s.To != status:
			s.To = status
			again.Suspects++
			if err := again.add(s); err != nil {
				return nil, err
			}
		default:
			changes = append(changes, &change{suspect: s, found: d, at: at.Add(-r.clockError())})
		}
	}
	r.report.Missed += len(changes)
	return changes, nil
}

// askLog finds the events in Mender's log that explain changes.
func (r *Reconciler) askLog(ctx context.Context, changes []*change) error {
	byID := map[string]*change{}
	since := time.Time{}
	for _, c := range changes {
		if r.Bootstrap && c.From == nil {
			continue // the log has no more than the state of a device that was never announced
		}
		known := time.Time{}
		if c.From != nil {
			known = c.From.Time
		}
		if len(byID) == 0 || known.Before(since) {
			since = known
		}
		byID[c.ID] = c
	}
	if len(byID) == 0 {
		return nil
	}
	for e, err := range r.Log.Events(ctx, eventlog.Query{Since: since}) {
		if err != nil {
			return err
		}
		c := byID[e.DeviceID()]
		if c == nil || c.From != nil && (e.ID == c.From.Last || !e.Time.After(c.From.Time)) {
			continue
		}
		switch { // the newest comes first
		case e.Type == webhook.DeviceProvisioned:
			if c.provisioned == nil {
				c.provisioned = &e
			}
		case statusIn(e.Event) != "" && c.logged == nil:
			c.logged = &e
		}
	}
	return nil
}

// announce sends the events of a change. It returns the entry that results, or a
// zero one if the application refused an event.
func (r *Reconciler) announce(ctx context.Context, c *change) (Entry, error) {
	made, err := synthesize(c.suspect, c.found, c.at)
	if err != nil {
		return Entry{}, err
	}
	final := made[len(made)-1]
	entry := Entry{ID: c.ID, Status: c.To, Last: final.ID, Time: final.Time}
	if c.logged != nil && statusIn(c.logged.Event) != c.To {
		c.logged = nil // an older change: a later one is missing in the log
	}
	if c.To == webhook.StatusAccepted && c.provisioned != nil {
		outcome, err := r.send(ctx, c, c.provisioned, webhook.Event{})
		if err != nil || outcome == Refused {
			return Entry{}, err
		}
		if len(made) == 2 { // even if it was known
			made = made[1:]
		}
	}
	for _, e := range made {
		var logged *mender.Event
		if e.ID == final.ID && c.logged != nil {
			logged = c.logged
		}
		outcome, err := r.send(ctx, c, logged, e)
		if err != nil || outcome == Refused {
			return Entry{}, err
		}
		if logged != nil && outcome == Sent {
			entry.Last, entry.Time = logged.ID, logged.Time.UTC()
		} else if logged != nil { // the application had it before its last known event
			if outcome, err = r.send(ctx, c, nil, e); err != nil || outcome == Refused {
				return Entry{}, err
			}
		}
	}
	return entry, nil
}

// send sends an event of the log or, if there is none, a synthesized one.
func (r *Reconciler) send(ctx context.Context, c *change, logged *mender.Event, made webhook.Event) (Outcome, error) {
	a := Announcement{Event: made, Source: FromState, Device: c.ID, To: c.To}
	if c.From != nil {
		a.From, a.Since = c.From.Status, c.From.Time
	}
	var e target.Event
	var err error
	if logged != nil {
		a.Event, a.Source = logged.Event, FromLog
		e, err = replay.FromLog(*logged, r.Secret())
	} else {
		e, err = replay.FromState(made, r.Secret())
	}
	if err != nil {
		return "", err
	}
	if !r.DryRun {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if a.Outcome, a.Reason = r.Outbox.Send(ctx, e); a.Reason != nil && a.Outcome != Refused {
			return "", a.Reason
		}
	}
	switch {
	case a.Outcome == Refused:
		r.report.Refused++
	case a.Outcome == Known && logged != nil:
		return Known, nil // changes nothing, so it is not announced
	case logged != nil:
		r.report.Recovered++
	default:
		r.report.Synthesized++
	}
	if r.Announced != nil {
		err = r.Announced(a)
	}
	if r.DryRun {
		a.Outcome = Sent
	}
	return a.Outcome, err
}
