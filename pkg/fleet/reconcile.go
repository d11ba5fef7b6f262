package fleet

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/urls"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// CheckSettle returns an error if a pause between two looks is too short for a server.
// Only a server on this machine, such as the sandbox, may have a shorter limit for
// deliveries than Mender's.
func CheckSettle(server string, settle time.Duration) error {
	u, err := url.Parse(server)
	switch {
	case settle >= minSettle || settle > 0 && err == nil && urls.IsLoopback(u.Hostname()):
		return nil
	case settle <= 0:
		return errors.New("must be positive")
	}
	return fmt.Errorf("must be at least %s, Mender's limit for a delivery", minSettle)
}

// minSettle is the least time between two looks at a device: Mender's limit for a
// delivery. An event that takes longer is lost.
const minSettle = webhook.DeliveryTimeout

// Defaults for commands: of Reconciler.Settle, and of the requests per second.
const (
	DefaultSettle = 2 * time.Minute
	DefaultRate   = 4.0
)

const (
	// batch is how many devices are looked at with one request.
	batch = mender.MaxPageSize
	// chunk is how many differences are in memory at a time.
	chunk = 10 * batch
	// looks is how often a device that keeps changing is looked at after the scan.
	looks = 3
	// maxExamples is how many of many missing devices an error names.
	maxExamples = 3
	// clockError is how wrong the server's time can be: its Date has seconds.
	clockError = 2 * time.Second
)

// Reconciler compares the known state of devices with Mender's, and sends events for
// the differences. All fields without a default are required. It is not safe for
// concurrent use.
type Reconciler struct {
	Devices Devices
	Log     Log
	State   *State
	Outbox  Outbox
	// Secret returns the secret to sign events with; the zero Secret leaves them
	// unsigned.
	Secret func() webhook.Secret
	// Settle is the least time between two looks at a device; see CheckSettle.
	Settle time.Duration
	// Deep reads the devices from deviceauth instead of inventory. That is slower,
	// but right if inventory missed changes.
	Deep bool
	// DeepEvery is the time after which a run is deep although Deep is not set; 0 means
	// never.
	DeepEvery time.Duration
	// Bootstrap sends events for devices that are unknown in the first run, too.
	Bootstrap bool
	// Force sends events although the guards consider Mender's answers implausible.
	Force bool
	// DryRun finds the events and neither sends nor records them.
	DryRun bool
	// Arrived returns a function that reports whether an event of a device has arrived
	// since the state was last updated; nil means that none can.
	Arrived func(ctx context.Context) (func(device string) bool, error)
	// Announced is called for each event once it was sent or, in a dry run, found. Its
	// error ends the run; nil ignores the events.
	Announced func(Announcement) error
	// Progress is called now and then; nil ignores it.
	Progress func(Progress)

	report  Report
	checked int
	arrived func(string) bool
}

func (r *Reconciler) progress(p Progress) {
	if r.Progress != nil {
		r.Progress(p)
	}
}

// Run compares all devices once. If it is interrupted, everything that was sent is
// recorded, and the next run continues. Its errors of kind fault.Failed that wrap
// ErrSuspicious can be overridden with Force.
func (r *Reconciler) Run(ctx context.Context) (_ Report, err error) {
	r.report, r.checked = Report{}, 0
	last := r.State.head.DeepAt
	if r.DeepEvery > 0 && !last.IsZero() && time.Since(last) >= r.DeepEvery {
		r.Deep = true
	}
	run, err := r.newRun(ctx)
	if err != nil {
		return Report{}, err
	}
	j, err := openJournal(r.State.path+".run", run)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, j.close(err == nil || errors.Is(err, ErrSuspicious))) }()
	if r.report.Stale, err = r.scan(ctx, j); err != nil {
		return r.report, err
	}
	if r.Deep {
		r.report.Stale = 0
	}
	r.report.Devices, r.report.Baseline = j.Scanned.total(), j.Records
	if j.Suspects > 0 {
		if err := r.settle(ctx, j.complete, j.Suspects); err != nil {
			return r.report, err
		}
		if err := r.guardGone(ctx, j); err != nil {
			return r.report, err
		}
	}
	if err := r.record(j); err != nil {
		return r.report, err
	}
	if err := r.resolve(ctx, j); err != nil || r.DryRun || !r.Deep && !last.IsZero() {
		return r.report, err
	}
	r.State.head.DeepAt = time.Now().UTC()
	return r.report, r.State.Update(seqOf[Entry](nil), false)
}

func (r *Reconciler) newRun(ctx context.Context) (scanRun, error) {
	now, err := r.Devices.ServerTime(ctx)
	return scanRun{
		State: r.State.head.ID, Baseline: r.State.HasBaseline(), Deep: r.Deep, Bootstrap: r.Bootstrap,
		Began: now.Add(-r.clockError()), Started: time.Now(),
	}, err
}

// restart begins the scan again.
func (r *Reconciler) restart(ctx context.Context, j *journal) error {
	run, err := r.newRun(ctx)
	if err != nil {
		return err
	}
	return j.restart(run)
}

// clockError is how much earlier than the server's time a moment certainly is. Tests
// with a short Settle have exact clocks.
func (r *Reconciler) clockError() time.Duration { return min(clockError, r.Settle/5) }

// settle waits until Settle has passed since the last look.
func (r *Reconciler) settle(ctx context.Context, since time.Time, differ int) error {
	until := since.Add(r.Settle)
	wait := time.Until(until)
	if wait <= 0 {
		return nil
	}
	r.progress(Progress{Phase: Settling, Total: differ, Until: until})
	timer := time.NewTimer(min(wait, r.Settle)) // the clock may have been set back
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// guardGone counts the devices that are really gone, if the scan missed too many.
func (r *Reconciler) guardGone(ctx context.Context, j *journal) error {
	if r.Force || j.tooMany(j.Gone) == nil {
		return nil
	}
	gone := 0
	var ids, examples []string
	look := func() error {
		found, err := r.Devices.DevicesByID(ctx, ids)
		for _, id := range ids {
			if slices.ContainsFunc(found, func(d mender.Device) bool { return d.ID == id }) {
				continue
			}
			if gone++; gone <= maxExamples {
				examples = append(examples, id)
			}
		}
		ids = ids[:0]
		return err
	}
	for s, err := range j.suspects() {
		if err != nil {
			return err
		}
		if s.To != webhook.StatusDecommissioned {
			continue
		}
		if ids = append(ids, s.ID); len(ids) == batch {
			if err := look(); err != nil {
				return err
			}
		}
	}
	if err := look(); err != nil {
		return err
	}
	return j.tooMany(gone, examples...)
}

// record adds the devices that are recorded without an event. From then on, unknown
// devices are new.
func (r *Reconciler) record(j *journal) error {
	if r.DryRun || r.State.HasBaseline() {
		return nil
	}
	return r.State.update(func(yield func(Entry, error) bool) {
		for s, err := range j.suspects() {
			if (err != nil || s.Record) && !yield(Entry{ID: s.ID, Status: s.To, Last: j.run.ID, Time: j.run.Began}, err) {
				return
			}
		}
	}, true, func(known, _ Entry) Entry { return known }) // by an event since the scan was interrupted
}

// resolve looks at the suspects again, and sends events for those that count.
func (r *Reconciler) resolve(ctx context.Context, j *journal) error {
	todo := func(yield func(suspect, error) bool) {
		for s, err := range j.suspects() {
			if (err != nil || !s.Record) && !yield(s, err) {
				return
			}
		}
	}
	return r.look(ctx, todo, j.Suspects, 1)
}

// look processes suspects in chunks. Those whose status changed since the last look
// are looked at again later, up to a limit.
func (r *Reconciler) look(ctx context.Context, suspects iter.Seq2[suspect, error], total, n int) error {
	again, err := openJournal(fmt.Sprintf("%s.again%d", r.State.path, n), scanRun{}) // without a checkpoint: always a new one
	if err != nil {
		return err
	}
	defer func() { _ = again.close(true) }() // only a temporary file
	var pending []suspect
	work := func() error {
		if len(pending) == 0 {
			return nil
		}
		err := r.resolveChunk(ctx, pending, again)
		r.checked += len(pending)
		pending = pending[:0]
		r.progress(Progress{Phase: Checking, Done: r.checked, Total: total})
		return err
	}
	for s, err := range suspects {
		if err != nil {
			return err
		}
		if pending = append(pending, s); len(pending) == chunk {
			if err := work(); err != nil {
				return err
			}
		}
	}
	if err := work(); err != nil {
		return err
	}
	switch {
	case again.Suspects == 0:
		return nil
	case n == looks:
		r.report.Unsettled += again.Suspects
		return nil
	}
	if err := r.settle(ctx, time.Now(), again.Suspects); err != nil {
		return err
	}
	return r.look(ctx, again.suspects(), total+again.Suspects, n+1)
}
