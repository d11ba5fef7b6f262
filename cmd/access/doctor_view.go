package access

import (
	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/doctor"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

func mark(s doctor.Status) string {
	switch s {
	case doctor.OK:
		return "✓"
	case doctor.Warning:
		return "!"
	case doctor.Failed:
		return "✗"
	case doctor.Skipped:
		return "-"
	case doctor.Unknown:
	}
	return "?"
}

func markColor(m string) output.Color {
	switch m {
	case mark(doctor.OK):
		return output.Green
	case mark(doctor.Failed):
		return output.Red
	}
	return output.Yellow
}

// finding is the object that doctor -o json prints for a finding. Code is the exit
// code if the check failed.
type finding struct {
	doctor.Finding
	Code int `json:"code,omitempty"`
}

// beforeFinding is the width in columns of everything before the finding.
const beforeFinding = len("x  integration  ")

// findingsView returns the findings for printing. On a terminal, it wraps them so that
// the columns stay aligned.
func findingsView(a *cli.App, findings []doctor.Finding) output.View {
	width := a.OutWidth() - beforeFinding
	view := output.View{Table: output.TableView{Columns: []output.Column{
		{Name: "", Color: markColor}, {Name: "CHECK"}, {Name: "FINDING"},
	}}}
	values := make([]finding, len(findings))
	for n, f := range findings {
		if values[n] = (finding{Finding: f}); f.Status == doctor.Failed {
			values[n].Code = a.ExitCode(f.Kind)
		}
		if f.Status == doctor.Failed || f.Status == doctor.Warning {
			view.Names = append(view.Names, f.Check)
		}
		mark, check := mark(f.Status), f.Check
		lines := output.Wrap(output.Safe(f.Finding), width)
		if f.Next != "" {
			lines = append(lines, output.Wrap(output.Safe("→ "+f.Next), width)...)
		}
		for _, line := range lines {
			view.Table.Rows = append(view.Table.Rows, []string{mark, check, line})
			mark, check = "", ""
		}
	}
	view.Value = values
	return view
}
