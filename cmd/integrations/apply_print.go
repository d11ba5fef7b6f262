package integrations

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
)

// any reports whether any plan changes something.
func (all changes) any() bool {
	return slices.ContainsFunc(all.list, func(c *change) bool { return c.plan.Changes })
}

// text returns the plans as text. The plan of one of several profiles has a heading.
func (all changes) text(style output.Style) string {
	parts := make([]string, len(all.list))
	for i, c := range all.list {
		parts[i] = strings.Join(c.plan.Lines(style), "\n")
		if set, err := c.app.Settings(); err == nil && c.app.Profile() != "" {
			parts[i] = style.Bold(output.Safe(fmt.Sprintf("profile %s on %s", set.Profile, set.Server))) + "\n" + parts[i]
		}
	}
	return strings.Join(parts, "\n\n")
}

// print prints the plans on stdout, as text or in the requested format.
func (all changes) print(a *cli.App, p *output.Printer) error {
	if p.Format() == output.Table {
		if len(all.list) == 0 {
			return nil
		}
		_, err := io.WriteString(a.Stdout(), output.WrapLines(all.text(a.OutStyle()), a.OutWidth())+"\n")
		return err
	}
	var views []output.View
	for _, c := range all.list {
		views = append(views, planView(c.plan))
		views[len(views)-1].Title = c.app.Profile()
	}
	if !all.several {
		return p.Print(views[0])
	}
	view, err := output.MergeSections("profile", views)
	if err != nil {
		return err
	}
	return p.Print(view)
}

// summary returns the number of steps of each kind, to do or done, in all plans.
func (all changes) summary() string {
	if !all.several {
		plan, server := all.list[0].plan, all.list[0].app.Where()
		if counts := provision.CountText(plan.Steps); counts != "" {
			return counts + " on " + server
		}
		return "nothing to do: " + server + " matches " + plan.File
	}
	profiles := cli.Plural(len(all.list), "profile")
	if !all.any() {
		return "nothing to do in " + profiles
	}
	var steps []provision.Step
	for _, c := range all.list {
		steps = append(steps, c.plan.Steps...)
	}
	return provision.CountText(steps) + " in " + profiles
}

// finishDryRun prints the plans. With exitCode, one with changes is an error.
func (all changes) finishDryRun(a *cli.App, p *output.Printer, exitCode bool) error {
	all.warn()
	if err := all.print(a, p); err != nil {
		return err
	}
	if len(all.list) > 0 {
		a.Say("%s", all.summary())
	}
	if exitCode && all.any() {
		return &cli.SilentError{Kind: fault.Differs}
	}
	return nil
}

// warn prints the warnings of the plans.
func (all changes) warn() {
	for _, c := range all.list {
		for _, w := range c.plan.Warnings {
			c.app.Warn("%s", w)
		}
	}
}

// planView returns a plan for the formats other than text.
func planView(plan *provision.Plan) output.View {
	view := output.View{Value: plan.Masked()}
	for _, s := range plan.Steps {
		if id := s.ResultID(); id != "" {
			view.Names = append(view.Names, id)
		}
	}
	return view
}
