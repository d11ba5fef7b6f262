package activity

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"sync"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// notInLog is what no statistics of the log can tell.
const notInLog = "deliveries that ran into the server's 10 seconds never reach Mender's log, and are counted nowhere here; " +
	"nor is what happened while there was no integration, or longer ago than a week"

// activityStats is what -o json prints.
type activityStats struct {
	mender.Stats
	NotInLog string `json:"not_in_log"`
}

func runStats(ctx context.Context, a *cli.App, o activityOptions) error {
	p, err := a.PrinterOf(output.Table, output.JSON, output.JSONL, output.YAML)
	if err != nil {
		return err
	}
	client, q, err := o.open(ctx, a)
	if err != nil {
		return err
	}
	q.PageSize = mender.MaxPageSize
	c := mender.StatsCollector{IntegrationID: q.IntegrationID, ErrorText: errorKind}
	progress := a.NewReading(o.utc, true)
	for e, err := range client.Events(ctx, q.EventQuery) {
		if err != nil {
			progress.Stop()
			return err
		}
		progress.Read(&e)
		if q.matches(&e) {
			c.Add(&e)
		}
	}
	progress.Stop()
	to := q.Until
	if to.IsZero() {
		if to, err = client.ServerTime(ctx); err != nil {
			return err
		}
	}
	s := c.Stats(q.Since, to)
	view := output.View{Value: activityStats{s, notInLog}}
	view.Fields = statsFields(s, o.utc)
	view.More = []output.TableView{
		typeTable(s), statusTable(s), errorTable(s, o.utc), timeTable(a, s, o.utc), gapTable(s, o.utc),
	}
	if err := p.Print(view); err != nil {
		return err
	}
	if p.Format() == output.Table {
		a.Say("%s", notInLog)
	}
	return nil
}

// ports are those of one connection, which tell nothing about a failure.
var ports = sync.OnceValue(func() *regexp.Regexp { //nolint:gochecknoglobals // compiled once, and only where it is needed
	return regexp.MustCompile(`\b(read|write) tcp \S+->(\S+): `)
})

// errorKind is the text that failures are counted by.
func errorKind(d mender.DeliveryStatus) string {
	return ports().ReplaceAllString(cli.FailureText(d), "$1 tcp …->$2: ")
}

func statsFields(s mender.Stats, utc bool) []output.Field {
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

func typeTable(s mender.Stats) output.TableView {
	t := output.TableView{Title: "By type", Columns: []output.Column{{Name: "EVENT"}, {Name: "EVENTS"}, {Name: "DELIVERIES"}, {Name: "FAILURES", Color: failuresColor}}}
	for _, r := range s.ByType {
		t.Rows = append(t.Rows, []string{string(r.Type), strconv.Itoa(r.Events), strconv.Itoa(r.Deliveries), strconv.Itoa(r.Failures)})
	}
	return t
}

func statusTable(s mender.Stats) output.TableView {
	t := output.TableView{Title: "By status", Columns: []output.Column{{Name: "STATUS"}, {Name: "DELIVERIES"}, {Name: "FAILURES", Color: failuresColor}}}
	for _, r := range s.ByStatusCode {
		name := cli.StatusText(r.StatusCode)
		if r.StatusCode == mender.StatusNotRecorded {
			name += " (the server could not record the device; it may have been delivered)"
		}
		t.Rows = append(t.Rows, []string{name, strconv.Itoa(r.Deliveries), strconv.Itoa(r.Failures)})
	}
	return t
}

func errorTable(s mender.Stats, utc bool) output.TableView {
	t := output.TableView{Title: "By error", Columns: []output.Column{{Name: "FAILURES"}, {Name: "LAST"}, {Name: "ERROR", Shrink: true}}}
	for _, r := range s.ByError {
		t.Rows = append(t.Rows, []string{strconv.Itoa(r.Failures), output.Time(r.Last, utc), r.Error})
	}
	return t
}

// chartWidth is how long the longest bar is, in cells.
const chartWidth = 30

// timeTable is the chart: failures are drawn to the scale of the deliveries.
func timeTable(a *cli.App, s mender.Stats, utc bool) output.TableView {
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

func gapTable(s mender.Stats, utc bool) output.TableView {
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
