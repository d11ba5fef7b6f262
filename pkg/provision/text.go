package provision

import (
	"fmt"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// Masked returns a copy of the plan without the passwords and tokens in its URLs.
func (p *Plan) Masked() *Plan {
	m := *p
	m.Steps = make([]Step, len(p.Steps))
	for i, s := range p.Steps {
		s.Changes = maskedChanges(s.Changes)
		m.Steps[i] = s
	}
	return &m
}

func maskedChanges(changes []Change) []Change {
	out := make([]Change, len(changes))
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

// Lines returns the plan as text. No line contains a secret.
func (p *Plan) Lines(style output.Style) []string {
	var lines []string
	for _, s := range p.Steps {
		lines = append(lines, s.line(style))
		for _, c := range maskedChanges(s.Changes) {
			lines = append(lines, "    "+output.Safe(s.changeText(c)))
		}
		if s.Gap {
			lines = append(lines, "    "+s.gapText())
		}
	}
	if len(lines) == 0 {
		lines = append(lines, "= no integrations, as in the file")
	}
	return lines
}

func (s Step) line(style output.Style) string {
	what := output.Safe(strings.TrimSpace(string(s.Provider) + " " + s.ID))
	switch s.Action {
	case Create:
		return style.Green("+ create " + what)
	case ChangeCredentials:
		return style.Yellow("~ change credentials of " + what)
	case Recreate:
		return style.Red("-/+ delete and create " + what)
	case Delete:
		return style.Red("- delete " + what)
	}
	if s.Unmanaged {
		return fmt.Sprintf("= nothing to do for %s: the file does not name it (--prune would delete it)", what)
	}
	return "= nothing to do for " + what
}

func (s Step) changeText(c Change) string {
	if c.Field == "secret" && c.To == "none" {
		c.To = "none: deliveries are unsigned, and anyone can forge them"
	}
	switch {
	case c.From == "unknown":
		return fmt.Sprintf("%s: unknown, will be set (%s)", c.Field, c.To)
	case s.Action == Create || c.From == "":
		return fmt.Sprintf("%s: %s", c.Field, c.To)
	case c.To == "":
		return fmt.Sprintf("%s: %s → (none)", c.Field, c.From)
	}
	return fmt.Sprintf("%s: %s → %s", c.Field, c.From, c.To)
}

func (s Step) gapText() string {
	text := "events in between are neither logged nor sent; if creating fails, "
	if s.CanRestore {
		return text + "the old webhook is restored"
	}
	return text + "the old webhook cannot be restored, since its secret is not known on this machine"
}

// CountText returns the number of steps of each kind, to do or done, such as "1 to create";
// "" if no step changes anything.
func CountText(steps []Step) string {
	verbs := []struct {
		action     Action
		todo, done string
	}{
		{Create, "to create", "created"},
		{ChangeCredentials, "to change", "changed"},
		{Recreate, "to delete and create", "deleted and created"},
		{Delete, "to delete", "deleted"},
	}
	var parts []string
	for _, v := range verbs {
		todo, done := 0, 0
		for _, s := range steps {
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
	return strings.Join(parts, ", ")
}

// DoneText describes a completed step.
func (s Step) DoneText() string {
	text := ""
	if s.Place != "" {
		text = fmt.Sprintf("the webhook's secret is stored in %s (fingerprint %s)\n", s.Place, s.Fingerprint())
	}
	return text + s.actionText()
}

func (s Step) actionText() string {
	switch s.Action {
	case Create:
		return fmt.Sprintf("created %s %s", s.Provider, s.NewID)
	case ChangeCredentials:
		return fmt.Sprintf("changed the credentials of %s %s", s.Provider, s.ID)
	case Recreate:
		return fmt.Sprintf("deleted %s, created %s %s", s.ID, s.Provider, s.NewID)
	}
	return fmt.Sprintf("deleted %s %s", s.Provider, s.ID)
}
