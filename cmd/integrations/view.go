package integrations

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// integrationTable returns the table of integrations. To fit in 80 columns, it shows
// scopes and descriptions only if an integration has them.
func integrationTable(integrations []mender.Integration) output.TableView {
	scoped := slices.ContainsFunc(integrations, func(i mender.Integration) bool { return len(i.Scopes) > 0 })
	named := slices.ContainsFunc(integrations, func(i mender.Integration) bool { return i.Description != "" })
	table := output.TableView{Columns: []output.Column{
		{Name: "ID", ID: true}, {Name: "PROVIDER"}, {Name: "TARGET", Shrink: true}, {Name: "SECRET"},
	}}
	if scoped {
		table.Columns = append(table.Columns, output.Column{Name: "SCOPES", Shrink: true})
	}
	if named {
		table.Columns = append(table.Columns, output.Column{Name: "DESCRIPTION", Shrink: true})
	}
	for _, i := range integrations {
		row := []string{i.ID, string(i.Provider), cli.Target(i), secretState(i)}
		if scoped {
			row = append(row, strings.Join(i.Scopes, ","))
		}
		if named {
			row = append(row, i.Description)
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

// secretState returns "set" or "none" for the secret of an integration of any provider.
func secretState(i mender.Integration) string {
	if i.Credentials.HasSecret() {
		return "set"
	}
	return "none"
}

func integrationRows(i mender.Integration) [][2]string {
	rows := [][2]string{
		{"ID", i.ID},
		{"Provider", string(i.Provider)},
		{"Target", cli.Target(i)},
		{"Secret", secretState(i)},
	}
	if i.Credentials.AWS != nil {
		rows = append(rows, [2]string{"Access key", i.Credentials.AWS.AccessKeyID}, [2]string{"Device policy", i.Credentials.AWS.DevicePolicyName})
	}
	if len(i.Scopes) > 0 {
		rows = append(rows, [2]string{"Scopes", strings.Join(i.Scopes, ", ")})
	}
	return append(rows, [2]string{"Description", i.Description})
}

// healthRows summarizes the deliveries in Mender's log. The log does not contain
// deliveries that took longer than 10 seconds, so the absence of failures does not
// prove success.
func healthRows(s eventlog.Stats) [][2]string {
	if s.Deliveries == 0 {
		return [][2]string{{"Last day", "no deliveries logged"}, {"Not logged", notLogged}}
	}
	failures := "no failures"
	if s.Failures > 0 {
		failures = fmt.Sprintf("%d failed (%s)", s.Failures, cli.Percent(1-*s.SuccessRate))
	}
	rows := [][2]string{
		{"Last day", fmt.Sprintf("%s logged, %s", cli.Deliveries(s.Deliveries), failures)},
		{"Not logged", notLogged},
		{"Last event", fmt.Sprintf("%s, %s", output.Time(s.Last.Time, false), s.Last.Type)},
	}
	if s.LastFailure != nil {
		rows = append(rows, [2]string{"Last failure", fmt.Sprintf("%s: %s", output.Time(s.LastFailure.Time, false), eventlog.FailureText(s.Failure))})
	}
	return rows
}

const notLogged = "deliveries that took longer than 10 seconds"
