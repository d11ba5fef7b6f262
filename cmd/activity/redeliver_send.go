package activity

import (
	"context"
	"errors"
	"fmt"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/replay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// redelivery is the result of sending one event again.
type redelivery struct {
	ID         string  `json:"id"`
	Type       string  `json:"type"`
	Success    bool    `json:"success"`
	Duplicate  bool    `json:"duplicate"`
	StatusCode int     `json:"status_code,omitempty"`
	Error      string  `json:"error,omitempty"`
	DurationMS float64 `json:"duration_ms"`
	DryRun     bool    `json:"dry_run,omitempty"`
}

func newRedelivery(t target.Target, e target.Event, r target.Result) redelivery {
	shown := redelivery{
		ID: e.ID, Type: e.Type, Success: r.Err == nil, Duplicate: r.Duplicate,
		StatusCode: r.Status, DurationMS: output.Milliseconds(r.Duration),
	}
	switch {
	case r.Err != nil && r.Status == 0:
		shown.Error = output.MaskText(fmt.Sprintf("Post %q: %v", t, r.Err))
	case r.Err != nil:
		shown.Error = r.Err.Error()
	}
	return shown
}

// send sends the events to the target and prints each result.
func (o redeliverOptions) send(ctx context.Context, a *cli.App, p *output.Printer, t target.Target, events []target.Event) error {
	stream := p.Stream([]output.Column{
		{Name: "ID", Min: 36, ID: true}, {Name: "EVENT", Min: 22}, {Name: "DELIVERY", Min: 14, Color: cli.DeliveryColor}, {Name: "ERROR", Whole: true},
	})
	progress := a.NewSending(len(events))
	known := 0
	err := replay.Send(ctx, t, events, func(e target.Event, r target.Result) error {
		progress.Sent.Add(1)
		if r.Err != nil {
			progress.Failed.Add(1)
		}
		if r.Duplicate {
			known++
		}
		shown := newRedelivery(t, e, r)
		return stream.Write(output.Item{Value: shown, Row: shown.row(), Name: shown.ID})
	})
	progress.Stop()
	if err := errors.Join(err, stream.Close()); err != nil {
		return err
	}
	sent, failed := len(events), int(progress.Failed.Load())
	a.Say("%s sent to %s: %d delivered (%s), %d failed", cli.Plural(sent, "event"), t, sent-failed, cli.Plural(known, "duplicate"), failed)
	if failed > 0 {
		return cli.Failf(fault.Failed, "%d of %d events were not delivered", failed, sent)
	}
	return nil
}

// show prints the events that would be sent, for --dry-run.
func (o redeliverOptions) show(a *cli.App, p *output.Printer, t target.Target, events []target.Event) error {
	stream := p.Stream([]output.Column{{Name: "ID", Min: 36, ID: true}, {Name: "EVENT", Min: 22}, {Name: "DELIVERY", Min: 14}, {Name: "ERROR", Whole: true}})
	for _, e := range events {
		shown := redelivery{ID: e.ID, Type: e.Type, DryRun: true}
		if err := stream.Write(output.Item{Value: shown, Row: shown.row(), Name: shown.ID}); err != nil {
			return err
		}
	}
	a.Say("%s would be sent to %s", cli.Plural(len(events), "event"), t)
	return stream.Close()
}

func (r redelivery) row() []string {
	result := "failed"
	switch {
	case r.DryRun:
		result = "-"
	case r.Duplicate:
		result = fmt.Sprintf("ok %d, duplicate", r.StatusCode)
	case r.Success:
		result = fmt.Sprintf("ok %d", r.StatusCode)
	case r.StatusCode != 0:
		result = fmt.Sprintf("failed %d", r.StatusCode)
	}
	return []string{r.ID, r.Type, result, r.Error}
}
