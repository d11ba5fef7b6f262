package receiving

import (
	"context"
	"fmt"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/trigger"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// triggerResult is the object that trigger -o json prints for the delivery of one
// event.
type triggerResult struct {
	ID         string            `json:"id"`
	Type       webhook.EventType `json:"type"`
	Success    bool              `json:"success"`
	StatusCode int               `json:"status_code,omitempty"`
	Error      string            `json:"error,omitempty"`
	DurationMS float64           `json:"duration_ms"`
}

// triggerOne delivers one event and prints the result.
func triggerOne(ctx context.Context, p *output.Printer, l trigger.Load) error {
	event, err := l.Event()
	if err != nil {
		return err
	}
	d, err := l.Deliver(ctx, event)
	if err != nil {
		return err
	}
	return showDelivery(ctx, p, event, d)
}

// showDelivery prints the result of the delivery of one event.
func showDelivery(ctx context.Context, p *output.Printer, event webhook.Event, d webhook.Delivery) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r := triggerResult{
		ID: event.ID, Type: event.Type, Success: d.Success(), StatusCode: d.StatusCode,
		DurationMS: output.Milliseconds(d.Duration),
	}
	if d.Err != nil {
		r.Error = output.MaskText(d.Err.Error())
	}
	view := output.View{
		Value: r,
		Fields: cli.Details([][2]string{
			{"Event", r.ID}, {"Type", string(r.Type)}, {"Status", cli.StatusText(r.StatusCode)},
			{"Took", fmt.Sprintf("%.1f ms", r.DurationMS)},
		}),
		Names: []string{event.ID},
	}
	if err := p.Print(view); err != nil {
		return err
	}
	if !r.Success {
		return cli.Hinted(cli.Failf(trigger.Kind(d), "the delivery failed: %s", r.Error), "%s", trigger.Explain(d))
	}
	return nil
}

// triggerMany delivers the events of a load and prints a summary.
func triggerMany(ctx context.Context, p *output.Printer, l trigger.Load) error {
	sum, err := l.Run(ctx)
	if err := p.Print(output.View{Value: sum, Fields: summaryFields(sum)}); err != nil {
		return err
	}
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case sum.Failed > 0:
		return cli.Failf(fault.Failed, "%d of %d deliveries failed", sum.Failed, sum.Sent)
	}
	return nil
}

func summaryFields(s trigger.Summary) []output.Field {
	rows := [][2]string{
		{"Sent", fmt.Sprintf("%d in %.1f s, %.0f/s", s.Sent, s.DurationMS/1000, s.Rate)},
		{"Succeeded", fmt.Sprint(s.Succeeded)},
		{"Failed", fmt.Sprint(s.Failed)},
		{"Latency", fmt.Sprintf("p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, max %.1f ms",
			s.LatencyMS.P50, s.LatencyMS.P90, s.LatencyMS.P99, s.LatencyMS.Max)},
	}
	for _, code := range cli.SortedKeys(s.Statuses) {
		rows = append(rows, [2]string{"Status " + code, fmt.Sprint(s.Statuses[code])})
	}
	for _, text := range cli.SortedKeys(s.Errors) {
		rows = append(rows, [2]string{"No answer", fmt.Sprintf("%d: %s", s.Errors[text], text)})
	}
	return cli.Details(rows)
}
