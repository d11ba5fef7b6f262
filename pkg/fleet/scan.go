package fleet

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// statuses returns the statuses that a device can have while it exists.
func statuses() []webhook.DeviceStatus {
	var all []webhook.DeviceStatus
	for _, s := range webhook.DeviceStatuses() {
		if s != webhook.StatusDecommissioned {
			all = append(all, s)
		}
	}
	return all
}

// count asks deviceauth how many devices have each status.
func (r *Reconciler) count(ctx context.Context) (counts, error) {
	c := counts{}
	for _, status := range statuses() {
		n, err := r.Devices.CountDevices(ctx, status)
		if err != nil {
			return nil, err
		}
		c[status] = n
	}
	return c, nil
}

// scan fills the journal, or continues it. It returns by how many devices the scan
// differs from deviceauth's counts.
func (r *Reconciler) scan(ctx context.Context, j *journal) (stale int, err error) {
	for try := 1; ; try++ {
		before, err := r.count(ctx)
		if err != nil {
			return 0, err
		}
		if j.complete.IsZero() {
			if err := r.compare(ctx, j, before.total()); err != nil {
				return 0, err
			}
		}
		after, err := r.count(ctx)
		if err != nil {
			return 0, err
		}
		wrong := j.check(before, after)
		if wrong == nil || r.Force {
			return difference(j.Scanned, before, after), nil
		}
		if try == 2 || j.emptied() {
			return 0, wrong
		}
		if err := r.restart(ctx, j); err != nil {
			return 0, err
		}
	}
}

// compare reads the known and the actual state, from the journal's position on,
// and adds the devices whose status differs to the journal.
func (r *Reconciler) compare(ctx context.Context, j *journal, expected int) error {
	actual := r.Devices.ScanDevices(ctx, j.cursor)
	if r.Deep {
		actual = deepScan(ctx, r.Devices)
	}
	skip := j.cursor
	known := func(yield func(Entry, error) bool) {
		for e, err := range r.State.Entries() {
			if (err != nil || e.ID > skip) && !yield(e, err) {
				return
			}
		}
	}
	record := !r.State.HasBaseline() && !r.Bootstrap
	r.progress(Progress{Phase: Scanning, Done: j.Scanned.total(), Total: expected})
	pairs := 0
	for pair, err := range joined(known, actual, func(d mender.DeviceState) string { return d.ID }) {
		if err != nil {
			return err
		}
		if err := j.judge(pair.left, pair.right, record); err != nil {
			return err
		}
		if pairs++; pairs%checkpointEvery == 0 {
			id := ""
			if pair.left != nil {
				id = pair.left.ID
			} else {
				id = pair.right.ID
			}
			if err := j.checkpoint(id, time.Now()); err != nil {
				return err
			}
			r.progress(Progress{Phase: Scanning, Done: j.Scanned.total(), Total: expected})
		}
	}
	return j.checkpoint("", time.Now())
}

// judge counts a device, and adds it if its known status is not the actual one.
// record says what happens to unknown devices.
func (j *journal) judge(known *Entry, actual *mender.DeviceState, record bool) error {
	if known != nil && !known.Gone() {
		j.Known++
	}
	s := suspect{From: known, To: webhook.StatusDecommissioned}
	if actual != nil {
		j.Scanned[actual.Status]++
		s.ID, s.To = actual.ID, actual.Status
	} else {
		s.ID = known.ID
	}
	switch {
	case s.To == "", known != nil && known.Status == s.To:
		return nil
	case known == nil && record:
		s.Record = true
		j.Records++
	case s.To == webhook.StatusDecommissioned:
		j.Gone++
		fallthrough
	default:
		j.Suspects++
	}
	return j.add(s)
}

// deepScan returns the devices in deviceauth, ordered by id, each once. It merges
// the lists of all statuses. A device can be missing if another one changes its
// status meanwhile.
func deepScan(ctx context.Context, devices Devices) iter.Seq2[mender.DeviceState, error] {
	return func(yield func(mender.DeviceState, error) bool) {
		type list struct {
			next func() (mender.Device, error, bool)
			head mender.Device
			last string
		}
		var lists []*list
		for _, status := range statuses() {
			next, stop := iter.Pull2(devices.DevicesByStatus(ctx, status))
			defer stop()
			lists = append(lists, &list{next: next})
		}
		// advance moves a list to its next id: pages shift, so ids can come again.
		advance := func(l *list) error {
			for {
				d, err, ok := l.next()
				if err != nil {
					return err
				}
				if l.head = d; !ok || d.ID > l.last {
					l.last = d.ID
					return nil
				}
			}
		}
		for _, l := range lists {
			if err := advance(l); err != nil {
				yield(mender.DeviceState{}, err)
				return
			}
		}
		for last := ""; ; {
			var first *list
			for _, l := range lists {
				if l.head.ID != "" && (first == nil || l.head.ID < first.head.ID) {
					first = l
				}
			}
			if first == nil {
				return
			}
			d := mender.DeviceState{ID: first.head.ID, Status: first.head.Status}
			if d.ID > last && !yield(d, nil) {
				return
			}
			last = max(last, d.ID)
			if err := advance(first); err != nil {
				yield(mender.DeviceState{}, err)
				return
			}
		}
	}
}

// The limits that apply without Force.
const (
	maxGone     = 0.05 // share of the known devices that may be gone
	maxStray    = 0.01 // share by which a scan may differ from the counts
	minStray    = 10   // devices by which it always may
	minGoneSize = 1    // devices that may always be gone
)

// emptied reports whether Mender shows no device at all, although some are known.
func (j *journal) emptied() bool { return j.Scanned.total() == 0 && j.Known > 0 }

// check returns an error if the scan cannot be right: it is empty, or differs from
// the counts before and after it.
func (j *journal) check(before, after counts) error {
	if j.emptied() {
		return suspicious("Mender shows no device, but %d are known", j.Known)
	}
	for _, status := range statuses() {
		scanned := j.Scanned[status]
		low, high := min(before[status], after[status]), max(before[status], after[status])
		allowed := max(minStray, int(maxStray*float64(high)))
		if scanned < low-allowed || scanned > high+allowed {
			return suspicious("the scan found %d %s devices, but deviceauth has %d", scanned, status, after[status])
		}
	}
	return nil
}

// tooMany returns an error, which names examples, if more devices are gone than is
// plausible.
func (j *journal) tooMany(gone int, examples ...string) error {
	if gone <= max(minGoneSize, int(maxGone*float64(j.Known))) {
		return nil
	}
	names := strings.Join(examples, ", ")
	if more := gone - len(examples); more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return suspicious("%d of %d known devices are gone, more than %d%%: %s", gone, j.Known, int(100*maxGone), names)
}

// ErrSuspicious reports that what Mender shows is not plausible, so that no event was
// sent.
var ErrSuspicious = errors.New("nothing was sent")

func suspicious(format string, args ...any) error {
	return fault.WithHint(fault.New(fault.Failed, "%w: %s", ErrSuspicious, fmt.Sprintf(format, args...)),
		"check the server, and that the token's role sees all devices; to see what would be sent, pass --dry-run --force; if Mender is right, pass --force")
}

// difference returns how many devices a scan has too many or too few, compared with
// the counts before and after it, or 0 if changes during the scan may be the reason.
func difference(scanned, before, after counts) int {
	differ, changed := 0, 0
	for _, status := range statuses() {
		low, high := min(before[status], after[status]), max(before[status], after[status])
		differ += max(low-scanned[status], scanned[status]-high, 0)
		changed += high - low
	}
	if differ <= changed {
		return 0
	}
	return differ
}
