package activity

import (
	"context"
	"fmt"
	"strconv"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// notInLog describes the events and deliveries that the statistics do not cover.
const notInLog = "not counted, because Mender does not log them: deliveries that took longer than 10 seconds, " +
	"events without an integration, and events older than a week"

// activityStats is the object that --stats prints with -o json.
type activityStats struct {
	eventlog.Stats
	NotInLog string `json:"not_in_log"`
}

func runStats(ctx context.Context, a *cli.App, o activityOptions) error {
	p, err := a.PrinterOf(output.Table, output.JSON, output.JSONL, output.YAML)
	if err != nil {
		return err
	}
	err = a.PrintEach(ctx, p, output.MergeSections, func(ctx context.Context, a *cli.App) (cli.Shown, error) {
		return stats(ctx, a, o)
	})
	if err == nil && p.Format() == output.Table {
		a.Say("%s", notInLog)
	}
	return err
}

func stats(ctx context.Context, a *cli.App, o activityOptions) (cli.Shown, error) {
	log, q, err := o.open(ctx, a)
	if err != nil {
		return cli.Shown{}, err
	}
	q.Limit = 0
	progress := a.NewReading(o.utc, true)
	s, err := log.Statistics(ctx, q, progress.Read)
	progress.Stop()
	if err != nil {
		return cli.Shown{}, err
	}
	view := output.View{Value: activityStats{s, notInLog}, Fields: statsFields(s, o.utc)}
	view.More = []output.TableView{
		typeTable(s), statusTable(s), errorTable(s, o.utc), timeTable(a, s, o.utc), gapTable(s, o.utc),
	}
	return cli.Shown{View: view}, nil
}

func statsFields(s eventlog.Stats, utc bool) []output.Field {
	rate, run := "-", "none"
	if s.SuccessRate != nil {
		rate = cli.Percent(*s.SuccessRate)
	}
	if r := s.LongestFailureRun; r != nil {
		run = fmt.Sprintf("%s, from %s to %s", cli.Deliveries(r.Deliveries), output.Time(r.From, utc), output.Time(r.To, utc))
	}
	return cli.Details([][2]string{
		{"Time", fmt.Sprintf("%s to %s", output.Time(s.From, utc), output.Time(s.To, utc))},
		{"Events", strconv.Itoa(s.Events)},
		{"Deliveries", strconv.Itoa(s.Deliveries)},
		{"Failures", strconv.Itoa(s.Failures)},
		{"Successful", rate},
		{"Longest run of failures", run},
	})
}

func typeTable(s eventlog.Stats) output.TableView {
	t := output.TableView{Title: "By type", Columns: []output.Column{{Name: "EVENT"}, {Name: "EVENTS"}, {Name: "DELIVERIES"}, {Name: "FAILURES", Color: failuresColor}}}
	for _, r := range s.ByType {
		t.Rows = append(t.Rows, []string{string(r.Type), strconv.Itoa(r.Events), strconv.Itoa(r.Deliveries), strconv.Itoa(r.Failures)})
	}
	return t
}

func statusTable(s eventlog.Stats) output.TableView {
	t := output.TableView{Title: "By status", Columns: []output.Column{{Name: "STATUS"}, {Name: "DELIVERIES"}, {Name: "FAILURES", Color: failuresColor}}}
	for _, r := range s.ByStatusCode {
		name := cli.StatusText(r.StatusCode)
		if r.StatusCode == mender.StatusNotRecorded {
			name += " (the server could not record the device; the delivery may have succeeded)"
		}
		t.Rows = append(t.Rows, []string{name, strconv.Itoa(r.Deliveries), strconv.Itoa(r.Failures)})
	}
	return t
}

func errorTable(s eventlog.Stats, utc bool) output.TableView {
	t := output.TableView{Title: "By error", Columns: []output.Column{{Name: "FAILURES"}, {Name: "LAST"}, {Name: "ERROR", Shrink: true}}}
	for _, r := range s.ByError {
		t.Rows = append(t.Rows, []string{strconv.Itoa(r.Failures), output.Time(r.Last, utc), r.Error})
	}
	return t
}

// chartWidth is the length of the longest bar, in terminal columns.
const chartWidth = 30

// timeTable returns the chart of deliveries and failures over time. Both have the
// same scale.
func timeTable(a *cli.App, s eventlog.Stats, utc bool) output.TableView {
	t := output.TableView{Title: "Over time", Columns: []output.Column{
		{Name: "FROM"}, {Name: "DELIVERIES"}, {Name: ""},
		{Name: "FAILURES", Color: failuresColor}, {Name: "", Color: func(string) output.Color { return output.Red }},
	}}
	most := 0
	for _, r := range s.OverTime {
		most = max(most, r.Deliveries)
	}
	blocks := cli.IsTerminal(a.Out) && a.Getenv("TERM") != "dumb"
	for _, r := range s.OverTime {
		t.Rows = append(t.Rows, []string{
			output.Time(r.From, utc), strconv.Itoa(r.Deliveries), output.Bar(r.Deliveries, most, chartWidth, blocks),
			strconv.Itoa(r.Failures), output.Bar(r.Failures, most, chartWidth, blocks),
		})
	}
	if most == 0 {
		t.Rows = nil
	}
	return t
}

func gapTable(s eventlog.Stats, utc bool) output.TableView {
	t := output.TableView{Title: "Without any event", Columns: []output.Column{{Name: "FROM"}, {Name: "TO"}, {Name: "FOR"}}}
	for _, g := range s.Gaps {
		t.Rows = append(t.Rows, []string{output.Time(g.From, utc), output.Time(g.To, utc), output.Duration(g.To.Sub(g.From))})
	}
	return t
}

func failuresColor(cell string) output.Color {
	if cell == "0" {
		return output.Plain
	}
	return output.Red
}
