package integrations

import (
	"fmt"
	"io"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
)

// printPlan prints a plan on stdout, as text or in the requested format.
func printPlan(a *cli.App, p *output.Printer, plan *provision.Plan) error {
	if p.Format() != output.Table {
		view := output.View{Value: masked(plan)}
		for _, s := range plan.Steps {
			if id := resultID(s); id != "" {
				view.Names = append(view.Names, id)
			}
		}
		return p.Print(view)
	}
	text := strings.Join(planLines(plan, a.OutStyle()), "\n")
	_, err := io.WriteString(a.Stdout(), output.WrapLines(text, a.OutWidth())+"\n")
	return err
}

// resultID returns the id that the integration has after a step, or its current id if
// the step is not done. It returns "" if the step deleted the integration.
func resultID(s provision.Step) string {
	switch {
	case s.NewID != "":
		return s.NewID
	case s.Action == provision.Delete && s.Done:
		return ""
	}
	return s.ID
}

// masked returns a copy of a plan without the passwords and tokens in its URLs.
func masked(plan *provision.Plan) *provision.Plan {
	m := *plan
	m.Steps = make([]provision.Step, len(plan.Steps))
	for i, s := range plan.Steps {
		s.Changes = maskedChanges(s.Changes)
		m.Steps[i] = s
	}
	return &m
}

func maskedChanges(changes []provision.Change) []provision.Change {
	out := make([]provision.Change, len(changes))
	for i, c := range changes {
		if c.Field == "url" {
			from, to := output.MaskURL(c.From), output.MaskURL(c.To)
			if from == to {
				to += " (the hidden part differs)"
			}
			c.From, c.To = from, to
		}
		out[i] = c
	}
	return out
}

// planLines returns a plan as text. No line contains a secret.
func planLines(plan *provision.Plan, style output.Style) []string {
	var lines []string
	for _, s := range plan.Steps {
		lines = append(lines, stepLine(s, style))
		for _, c := range maskedChanges(s.Changes) {
			lines = append(lines, "    "+output.Safe(changeText(s, c)))
		}
		if s.Gap {
			lines = append(lines, "    "+gapText(s))
		}
	}
	if len(lines) == 0 {
		lines = append(lines, "= no integrations, as in the file")
	}
	return lines
}

func stepLine(s provision.Step, style output.Style) string {
	what := output.Safe(strings.TrimSpace(string(s.Provider) + " " + s.ID))
	switch s.Action {
	case provision.Create:
		return style.Green("+ create " + what)
	case provision.ChangeCredentials:
		return style.Yellow("~ change credentials of " + what)
	case provision.Recreate:
		return style.Red("-/+ delete and create " + what)
	case provision.Delete:
		return style.Red("- delete " + what)
	}
	if s.Unmanaged {
		return fmt.Sprintf("= nothing to do for %s: the file does not name it (--prune would delete it)", what)
	}
	return "= nothing to do for " + what
}

func changeText(s provision.Step, c provision.Change) string {
	if c.Field == "secret" && c.To == "none" {
		c.To = "none: deliveries are unsigned, and anyone can forge them"
	}
	switch {
	case c.From == "unknown":
		return fmt.Sprintf("%s: unknown, will be set (%s)", c.Field, c.To)
	case s.Action == provision.Create || c.From == "":
		return fmt.Sprintf("%s: %s", c.Field, c.To)
	case c.To == "":
		return fmt.Sprintf("%s: %s → nothing", c.Field, c.From)
	}
	return fmt.Sprintf("%s: %s → %s", c.Field, c.From, c.To)
}

func gapText(s provision.Step) string {
	text := "events in between are neither logged nor sent; if creating fails, "
	if s.CanRestore {
		return text + "the old webhook is restored"
	}
	return text + "the old webhook cannot be restored, since its secret is not known on this machine"
}

// summary returns the number of steps of each kind in a plan, to do or done.
func summary(plan *provision.Plan) string {
	verbs := []struct {
		action     provision.Action
		todo, done string
	}{
		{provision.Create, "to create", "created"},
		{provision.ChangeCredentials, "to change", "changed"},
		{provision.Recreate, "to delete and create", "deleted and created"},
		{provision.Delete, "to delete", "deleted"},
	}
	var parts []string
	for _, v := range verbs {
		todo, done := 0, 0
		for _, s := range plan.Steps {
			switch {
			case s.Action != v.action:
			case s.Done:
				done++
			default:
				todo++
			}
		}
		if todo > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", todo, v.todo))
		}
		if done > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", done, v.done))
		}
	}
	if len(parts) == 0 {
		return "nothing to do: the server matches " + plan.File
	}
	return strings.Join(parts, ", ")
}

// doneText describes a completed step.
func doneText(s provision.Step) string {
	text := ""
	if s.Place != "" {
		text = fmt.Sprintf("the webhook's secret is stored in %s (fingerprint %s)\n", s.Place, s.Fingerprint())
	}
	return text + actionText(s)
}

func actionText(s provision.Step) string {
	switch s.Action {
	case provision.Create:
		return fmt.Sprintf("created %s %s", s.Provider, s.NewID)
	case provision.ChangeCredentials:
		return fmt.Sprintf("changed the credentials of %s %s", s.Provider, s.ID)
	case provision.Recreate:
		return fmt.Sprintf("deleted %s, created %s %s", s.ID, s.Provider, s.NewID)
	}
	return fmt.Sprintf("deleted %s %s", s.Provider, s.ID)
}
