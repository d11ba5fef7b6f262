package activity

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

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

// send sends one after the other, so that the order is kept.
func (o redeliverOptions) send(ctx context.Context, a *cli.App, p *output.Printer, sender *webhook.Sender, url string, events []again) error {
	stream := p.Stream([]output.Column{
		{Name: "ID", Min: 36}, {Name: "EVENT", Min: 22}, {Name: "RESULT", Min: 14, Color: cli.DeliveryColor}, {Name: "ERROR", Shrink: true},
	})
	progress := a.NewSending(len(events))
	known := 0
	for _, e := range events {
		if err := ctx.Err(); err != nil {
			progress.Stop()
			return errors.Join(err, stream.Close())
		}
		r := redelivery{ID: e.id, Type: e.typ, DryRun: o.dryRun}
		if !o.dryRun {
			r = e.deliver(ctx, sender, url)
		}
		progress.Sent.Add(1)
		if !r.Success && !o.dryRun {
			progress.Failed.Add(1)
		}
		if r.Duplicate {
			known++
		}
		if err := stream.Write(output.Item{Value: r, Row: r.row(), Name: r.ID}); err != nil {
			progress.Stop()
			return err
		}
	}
	progress.Stop()
	if err := stream.Close(); err != nil {
		return err
	}
	return o.sum(a, url, len(events), int(progress.Failed.Load()), known)
}

// sum says how it went.
func (o redeliverOptions) sum(a *cli.App, url string, sent, failed, known int) error {
	if o.dryRun {
		a.Say("%s would be sent to %s", cli.Plural(sent, "event"), output.MaskURL(url))
		return nil
	}
	a.Say("%s sent to %s: %d delivered, %d of them known there already, %d failed", cli.Plural(sent, "event"), output.MaskURL(url), sent-failed, known, failed)
	if failed > 0 {
		return cli.Failf(cli.ExitFailed, "%d of %d events were not delivered", failed, sent)
	}
	return nil
}

// deliver makes one attempt. A receiver that has the event already answers
// 409, or says so in a header.
func (e again) deliver(ctx context.Context, sender *webhook.Sender, url string) redelivery {
	r := redelivery{ID: e.id, Type: e.typ}
	req, err := webhook.NewRequest(ctx, url, e.body, e.secret)
	if err != nil {
		r.Error = output.MaskText(err.Error())
		return r
	}
	for name, values := range e.header {
		req.Header[name] = values
	}
	d := sender.Do(req)
	r.StatusCode, r.DurationMS = d.StatusCode, cli.Milliseconds(d.Duration)
	r.Duplicate = d.StatusCode == http.StatusConflict || d.Header.Get(target.HeaderDuplicate) != ""
	r.Success = d.Success() || r.Duplicate
	if !r.Success {
		r.Error = output.MaskText(d.Err.Error())
	}
	return r
}

func (r redelivery) row() []string {
	result := "failed"
	switch {
	case r.DryRun:
		result = "-"
	case r.Duplicate:
		result = fmt.Sprintf("ok %d, known", r.StatusCode)
	case r.Success:
		result = fmt.Sprintf("ok %d", r.StatusCode)
	case r.StatusCode != 0:
		result = fmt.Sprintf("failed %d", r.StatusCode)
	}
	return []string{r.ID, r.Type, result, r.Error}
}
