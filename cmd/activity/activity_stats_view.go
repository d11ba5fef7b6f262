package activity

import (
	"fmt"
	"strconv"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

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

func answerTable(s eventlog.Stats) output.TableView {
	t := output.TableView{Title: "By answer", Columns: []output.Column{
		{Name: "ANSWER"}, {Name: "DELIVERIES"}, {Name: "FAILURES", Color: failuresColor},
	}}
	for _, r := range s.ByStatusCode {
		row := []string{cli.StatusText(r.StatusCode), strconv.Itoa(r.Deliveries), strconv.Itoa(r.Failures)}
		if r.StatusCode == mender.StatusNotRecorded {
			t.Columns = append(t.Columns, output.Column{Name: "NOTE", Whole: true})
			row = append(row, "the server could not record the device; the delivery may have succeeded")
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func errorTable(s eventlog.Stats, utc bool) output.TableView {
	t := output.TableView{Title: "By error", Columns: []output.Column{{Name: "FAILURES"}, {Name: "LAST"}, {Name: "ERROR", Whole: true}}}
	for _, r := range s.ByError {
		t.Rows = append(t.Rows, []string{strconv.Itoa(r.Failures), output.Time(r.Last, utc), r.Error})
	}
	return t
}

// chartWidth returns the length of the longest bar, in columns, for a terminal of a width:
// 30, or less if the table has no room for two of them.
func chartWidth(width int, utc bool) int {
	const longest, others = 30, len("  DELIVERIES    FAILURES  ")
	if width == 0 {
		return longest
	}
	return min(max((width-cli.TimeWidth(utc)-others)/2, 1), longest)
}

// timeTable returns the chart of deliveries and failures over time. Both have the
// same scale.
func timeTable(a *cli.App, s eventlog.Stats, utc bool) output.TableView {
	t := output.TableView{Title: "Over time", Columns: []output.Column{
		{Name: "FROM"}, {Name: "DELIVERIES"}, {Name: ""},
		{Name: "FAILURES", Color: failuresColor}, {Name: "", Color: func(string) output.Color { return output.Red }},
	}}
	most, longest := 0, chartWidth(a.TableWidth(), utc)
	for _, r := range s.OverTime {
		most = max(most, r.Deliveries)
	}
	blocks := cli.IsTerminal(a.Out) && a.Getenv("TERM") != "dumb"
	for _, r := range s.OverTime {
		t.Rows = append(t.Rows, []string{
			output.Time(r.From, utc), strconv.Itoa(r.Deliveries), output.Bar(r.Deliveries, most, longest, blocks),
			strconv.Itoa(r.Failures), output.Bar(r.Failures, most, longest, blocks),
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
