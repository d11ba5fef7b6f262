package activity

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/fleet"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// reconciled is an event as reconcile prints it.
type reconciled struct {
	ID         string    `json:"id"`
	Type       string    `json:"type"`
	Time       time.Time `json:"time"`
	Device     string    `json:"device"`
	Known      string    `json:"known,omitempty"` // empty for a new device
	KnownSince time.Time `json:"known_since,omitzero"`
	Status     string    `json:"status"`
	Source     string    `json:"source"`
	Result     string    `json:"result,omitempty"` // empty in a dry run
	Error      string    `json:"error,omitempty"`
}

// reconcileView prints what reconcile does.
type reconcileView struct {
	a      *cli.App
	o      reconcileOptions
	bar    interface{ Stop() }
	set    func(part string, done, total int, until time.Time)
	stream *output.Stream
	narrow bool
}

func newReconcileView(a *cli.App, p *output.Printer, o reconcileOptions) *reconcileView {
	bar := a.NewComparing()
	v := &reconcileView{a: a, o: o, bar: bar, set: bar.Set}
	columns := []output.Column{
		{Name: "DEVICE", Min: 36, ID: true}, {Name: "EVENT", Min: 22}, {Name: "KNOWN", Min: 13}, {Name: "MENDER", Min: 14},
		{Name: "SOURCE", Min: 6}, {Name: "RESULT", Whole: true},
	}
	if o.dryRun {
		columns = columns[:len(columns)-1]
	}
	if width := a.TableWidth(); width > 0 && width < cli.WideEnough {
		v.narrow, columns[1].Min = true, len("status-changed")
	}
	v.stream = p.Stream(columns)
	return v
}

// announced prints an event.
func (v *reconcileView) announced(e fleet.Announcement) error {
	v.bar.Stop()
	shown := reconciled{
		ID: e.Event.ID, Type: string(e.Event.Type), Time: e.Event.Time, Device: e.Device, Known: string(e.From), KnownSince: e.Since,
		Status: string(e.To), Source: string(e.Source), Result: string(e.Outcome),
	}
	if e.Reason != nil {
		shown.Error = e.Reason.Error()
	}
	return v.stream.Write(output.Item{Value: shown, Row: v.row(shown), Name: shown.ID})
}

func (v *reconcileView) row(r reconciled) []string {
	event, known, result := r.Type, r.Known, r.Result
	if v.narrow {
		event = strings.TrimPrefix(event, "device-")
	}
	if known == "" {
		known = "-"
	}
	row := []string{r.Device, event, known, r.Status, r.Source}
	switch {
	case v.o.dryRun:
		return row
	case r.Error != "":
		result += ": " + r.Error
	}
	return append(row, result)
}

func (v *reconcileView) progress(p fleet.Progress) {
	part := map[fleet.Phase]string{
		fleet.Scanning: "compared", fleet.Settling: "found differences in " + cli.Plural(p.Total, "device") + "; time until the second check",
		fleet.Checking: "checked",
	}[p.Phase]
	v.set(part, p.Done, p.Total, p.Until)
	if wait := time.Until(p.Until); p.Phase == fleet.Settling && wait > time.Second && !cli.IsTerminal(v.a.Err) {
		v.a.Say("found differences in %s: checking again in %s", cli.Plural(p.Total, "device"), output.Duration(wait.Round(time.Second)))
	}
}

// finish ends the output and reports the result of the run, or why it ended.
func (v *reconcileView) finish(ctx context.Context, r fleet.Report, err error) error {
	v.bar.Stop()
	if closed := v.stream.Close(); err == nil {
		err = closed
	}
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			err = cli.Hinted(err, "run the same command to continue")
		}
		return err
	}
	devices := cli.Plural(r.Devices, "device")
	events, verb := r.Recovered+r.Synthesized, "sent"
	if v.o.stored() {
		verb = "stored in the queue"
	}
	switch {
	case v.o.dryRun && r.Baseline > 0:
		v.a.Say("the first run would record %s without events; --bootstrap sends events for them", cli.Plural(r.Baseline, "device"))
	case r.Baseline > 0:
		v.a.Say("recorded %s; the next runs send what changes from now on", cli.Plural(r.Baseline, "device"))
	}
	switch {
	case r.Baseline > 0 && r.Baseline == r.Devices && events == 0: // nothing was compared
	case v.o.dryRun:
		v.a.Say("compared %s: %d differed; %s would be %s, %d of them from Mender's log", devices, r.Missed, cli.Plural(events, "event"), verb, r.Recovered)
	default:
		v.a.Say("compared %s: %d differed; %s %s, %d of them from Mender's log", devices, r.Missed, cli.Plural(events, "event"), verb, r.Recovered)
	}
	if r.Lost {
		v.a.Warn("the queue no longer has all events: changes that were missed until now cannot be found")
	}
	if r.Gap {
		v.a.Warn("events were removed from the queue before this run, to make room: some statuses may be sent again")
	}
	if r.Unsettled > 0 {
		v.a.Say("%s still changing; the next run checks again", cli.Plural(r.Unsettled, "device"))
	}
	if r.Stale > 0 {
		v.a.Warn("inventory and deviceauth disagree on %s: run with --deep to compare with deviceauth", cli.Plural(r.Stale, "device"))
	}
	return nil
}
