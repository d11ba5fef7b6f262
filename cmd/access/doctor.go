package access

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// Health is what a check came to.
type Health string

// The results of a check.
const (
	Healthy   Health = "ok"
	Warning   Health = "warning"
	Failed    Health = "failed"
	skipped   Health = "skipped" // since a check before it failed, or was not asked for
	Unknowing Health = "unknown" // it can't be known from here
)

func (h Health) mark() string {
	switch h {
	case Healthy:
		return "✓"
	case Warning:
		return "!"
	case Failed:
		return "✗"
	case skipped:
		return "-"
	}
	return "?"
}

func markColor(mark string) output.Color {
	switch mark {
	case Healthy.mark():
		return output.Green
	case Failed.mark():
		return output.Red
	}
	return output.Yellow
}

// finding is one check's line, and an object of -o json.
type finding struct {
	Check   string `json:"check"`
	Status  Health `json:"status"`
	Finding string `json:"finding"`
	// Next is the next step, where there is one.
	Next string `json:"next,omitempty"`
	// Code is the exit code that a failure comes to.
	Code int `json:"code,omitempty"`
	kind fault.Kind
}

func good(check, format string, args ...any) finding {
	return finding{Check: check, Status: Healthy, Finding: fmt.Sprintf(format, args...)}
}

func doubtful(check, next, format string, args ...any) finding {
	return finding{Check: check, Status: Warning, Finding: fmt.Sprintf(format, args...), Next: next}
}

func bad(kind fault.Kind, check, next, format string, args ...any) finding {
	return finding{Check: check, Status: Failed, Finding: fmt.Sprintf(format, args...), Next: next, kind: kind}
}

func unknown(check, format string, args ...any) finding {
	return finding{Check: check, Status: Unknowing, Finding: fmt.Sprintf(format, args...)}
}

// left are checks that were not made.
func left(why string, checks ...string) []finding {
	var all []finding
	for _, check := range checks {
		all = append(all, finding{Check: check, Status: skipped, Finding: why})
	}
	return all
}

// NewDoctorCmd returns the doctor command.
func NewDoctorCmd(a *cli.App) *cobra.Command {
	probe := false
	cmd := &cobra.Command{
		Use:         "doctor [ID]",
		Annotations: cli.PrintsResult(),
		Short:       "Diagnose problems between this machine and a webhook",
		Long: `Check, one after the other: the settings, the server's name, its certificate and
clock, the token and what it may do, the integration, its URL, the secret, and
how the last deliveries went. Each check is a line with a mark, what was found,
and the next step: ✓ is fine, ! deserves a look, ✗ has to be put right, - was not
checked, and ? can't be known from here. Nothing is changed.

The URL is asked with a HEAD request from this machine. With --probe it is sent a
signed test event too: the status "noauth" of the device with the id
00000000-0000-0000-0000-000000000000.

The exit code is that of the first ✗, by the table of exit codes: 2 for
settings, 3 where there is no webhook, 4 for the token, 6 for the server, 1 for
the receiver. Without any ✗ it is 0.`,
		Example:           "  mender-webhooks doctor\n  mender-webhooks doctor --probe\n  mender-webhooks doctor --jq '.[] | select(.status == \"failed\")'",
		Args:              cli.Args(0, 1, "at most one id"),
		ValidArgsFunction: a.CompleteIntegrations,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDoctor(cmd.Context(), a, cli.FirstOf(args), probe)
		},
	}
	cmd.Flags().BoolVar(&probe, "probe", false, "send a signed test event to the webhook's URL")
	return cmd
}

// checkTime is how long one check may take: shorter than a request of other
// commands, since there are many.
const checkTime = 10 * time.Second

// certificateWarning is how long before a certificate's end it draws a warning.
const certificateWarning = 14 * 24 * time.Hour

// Doctor is a round of checks.
type Doctor struct {
	App   *cli.App
	probe bool
	// publicRoots are the authorities of the system; nil means just those.
	PublicRoots *x509.CertPool
	findings    []finding
}

func (d *Doctor) add(findings ...finding) {
	for _, f := range findings {
		if f.Status == Failed {
			f.Code = d.App.ExitCode(f.kind)
		}
		d.findings = append(d.findings, f)
	}
}

func runDoctor(ctx context.Context, a *cli.App, arg string, probe bool) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	d := &Doctor{App: a, probe: probe}
	d.examine(ctx, arg)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := p.Print(d.view()); err != nil {
		return err
	}
	kind, failures, warnings := d.verdict()
	a.Say("%s, %s", cli.Plural(failures, "failure"), cli.Plural(warnings, "warning"))
	if failures > 0 {
		return &cli.Silent{Kind: kind}
	}
	return nil
}

// verdict is the kind of the first failure, which tends to be the cause
// of the others.
func (d *Doctor) verdict() (kind fault.Kind, failures, warnings int) {
	for _, f := range d.findings {
		switch f.Status {
		case Failed:
			failures++
			if kind == fault.Unspecified {
				kind = f.kind
			}
		case Warning:
			warnings++
		case Healthy, skipped, Unknowing:
		}
	}
	return kind, failures, warnings
}

func (f finding) next() string {
	if f.Next == "" {
		return ""
	}
	return "→ " + f.Next
}

// beforeFinding is the width of the columns before it.
const beforeFinding = len("x  integration  ")

// view breaks long findings on a terminal, so that the columns stay columns.
func (d *Doctor) view() output.View {
	width := d.App.OutWidth() - beforeFinding
	view := output.View{Value: d.findings, Table: output.TableView{Columns: []output.Column{
		{Name: "", Color: markColor}, {Name: "CHECK"}, {Name: "FINDING"},
	}}}
	for _, f := range d.findings {
		mark, check := f.Status.mark(), f.Check
		for _, text := range []string{f.Finding, f.next()} {
			lines := []string{text}
			if width > 0 {
				lines = cli.Filled(strings.Fields(text), width)
			}
			for _, line := range lines {
				if line != "" {
					view.Table.Rows = append(view.Table.Rows, []string{mark, check, line})
					mark, check = "", ""
				}
			}
		}
		if f.Status == Failed || f.Status == Warning {
			view.Names = append(view.Names, f.Check)
		}
	}
	return view
}

// The checks of the server and of the receiver, in their order.
const (
	checkSettings    = "settings"
	checkName        = "name"
	checkTLS         = "tls"
	checkServer      = "server"
	checkClock       = "clock"
	checkToken       = "token"
	checkPermission  = "permission"
	checkIntegration = "integration"
	checkSecret      = "secret"
	checkAddress     = "address"
	checkReceiver    = "receiver"
	checkProbe       = "probe"
	checkDeliveries  = "deliveries"
	checkBeyond      = "beyond"
)

// examine makes the checks in order. What needs something that failed is left.
func (d *Doctor) examine(ctx context.Context, arg string) {
	set, err := d.App.Settings()
	if err != nil {
		f := cli.Classify(err)
		d.add(bad(f.Kind, checkSettings, f.Hint, "%s", f.Message))
		d.add(left("the settings come first", checkName, checkTLS, checkServer, checkClock, checkToken, checkPermission, checkIntegration)...)
		return
	}
	d.add(describeSettings(set))
	if !d.examineServer(ctx, set) {
		return
	}
	client, ok := d.examineAccess(ctx, set)
	if !ok {
		return
	}
	d.examineWebhook(ctx, set, client, arg)
}
