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

// Health is the result of a check.
type Health string

// The results of a check.
const (
	Healthy Health = "ok"
	Warning Health = "warning"
	Failed  Health = "failed"
	skipped Health = "skipped" // because an earlier check failed, or on request only
	Unknown Health = "unknown" // cannot be checked from this machine
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

// finding is the result of a check: a line of the table, or an object of -o json.
type finding struct {
	Check   string `json:"check"`
	Status  Health `json:"status"`
	Finding string `json:"finding"`
	// Next is the next step, or empty.
	Next string `json:"next,omitempty"`
	// Code is the exit code of a failure.
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
	return finding{Check: check, Status: Unknown, Finding: fmt.Sprintf(format, args...)}
}

// skip returns findings for checks that were not made.
func skip(why string, checks ...string) []finding {
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
		Long: `Check the settings, the server's name, certificate and clock, the token and its
permissions, the integration with its secret and URL, the receiver, and the last
deliveries. Each line shows a mark, the finding and the next step: ✓ is fine, !
needs attention, ✗ must be fixed, - was not checked, and ? cannot be checked from
this machine. Nothing is changed.

The receiver gets a HEAD request from this machine. With --probe it also gets a
signed test event: the status "noauth" of the device with the id
00000000-0000-0000-0000-000000000000.

The exit code is that of the first ✗: 2 for the settings, 3 for a missing webhook, 4
for the token, 6 for the server, 1 for the receiver. Without ✗ it is 0.`,
		Example:           "  mender-webhooks doctor\n  mender-webhooks doctor --probe\n  mender-webhooks doctor --jq '.[] | select(.status == \"failed\")'",
		Args:              cli.Args(0, 1, "at most one id"),
		ValidArgsFunction: a.CompleteIntegrations,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDoctor(cmd.Context(), a, cli.FirstOf(args), probe)
		},
	}
	cmd.Flags().BoolVar(&probe, "probe", false, "send a signed test event to the receiver")
	return cmd
}

// checkTime limits a check. It is shorter than the limit of other requests, because
// there are many checks.
const checkTime = 10 * time.Second

// certificateWarning is how long before it expires a certificate causes a warning.
const certificateWarning = 14 * 24 * time.Hour

// Doctor makes the checks.
type Doctor struct {
	App   *cli.App
	probe bool
	// PublicRoots are the trusted authorities of receivers; nil means the system's.
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

// verdict returns the kind of the first failure, which is usually the cause of the
// others, and the number of failures and warnings.
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
		case Healthy, skipped, Unknown:
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

// beforeFinding is the width of the columns before the finding.
const beforeFinding = len("x  integration  ")

// view wraps long findings on a terminal.
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

// The names of the checks, in order.
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

// examine makes the checks in order, and skips those that depend on a failed one.
func (d *Doctor) examine(ctx context.Context, arg string) {
	set, err := d.App.Settings()
	if err != nil {
		f := cli.Classify(err)
		d.add(bad(f.Kind, checkSettings, f.Hint, "%s", f.Message))
		d.add(skip("the settings must be fixed first", checkName, checkTLS, checkServer, checkClock, checkToken, checkPermission, checkIntegration)...)
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
