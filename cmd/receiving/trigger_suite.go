package receiving

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/conformance"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// suiteOptions are the flags of trigger --suite.
type suiteOptions struct {
	run   bool
	junit string
	idle  time.Duration
}

func (o *suiteOptions) register(f *pflag.FlagSet) {
	f.BoolVar(&o.run, "suite", false, "test the receiver with requests that Mender or an attacker could send, and judge the answers")
	f.StringVar(&o.junit, "junit", "", "with --suite: also write the results as a JUnit report to `FILE`")
	f.DurationVar(&o.idle, "idle", 0, "with --suite: also test a connection that was idle for a `DURATION`, such as 85s (Mender keeps connections for 90s)")
}

// runSuite tests the receiver, and prints a row for each test case when it ends.
func (o triggerOptions) runSuite(ctx context.Context, a *cli.App, p *output.Printer) (err error) {
	if o.load.Secret.IsZero() {
		return cli.Hinted(cli.Usagef("--suite requires the receiver's secret"), "pass --secret-file FILE or set MENDER_WEBHOOK_SECRET")
	}
	var report *os.File
	if o.suite.junit != "" {
		if report, err = os.Create(o.suite.junit); err != nil {
			return cli.Usagef("--junit: %w", err)
		}
		defer report.Close()
	}
	suite := conformance.Suite{Sender: o.load.Sender, URL: o.load.URL, Secret: o.load.Secret, Idle: o.suite.idle}
	stream := p.Stream([]output.Column{
		{Name: "CASE", Min: 16}, {Name: "RESULT", Min: 7, Color: suiteColor}, {Name: "ANSWER", Min: 6}, {Name: "REASON", Whole: true},
	})
	var results []conformance.Result
	var printErr error
	runErr := suite.Run(ctx, func(r conformance.Result) {
		results = append(results, r)
		if printErr == nil {
			printErr = stream.Write(output.Item{Value: r, Row: suiteRow(r), Name: r.Case})
		}
	})
	if printErr == nil {
		printErr = stream.Close()
	}
	if runErr != nil || printErr != nil {
		return cli.Also(runErr, printErr)
	}
	if report != nil {
		if err := conformance.WriteJUnit(report, output.MaskURL(o.load.URL), results); err != nil {
			return fmt.Errorf("--junit: %w", err)
		}
		if err := report.Close(); err != nil {
			return fmt.Errorf("--junit: %w", err)
		}
	}
	return reportSuite(a, results)
}

func suiteRow(r conformance.Result) []string {
	answer := ""
	if r.Status != 0 {
		answer = fmt.Sprint(r.Status)
	}
	return []string{r.Case, string(r.Outcome), answer, r.Reason}
}

func suiteColor(cell string) output.Color {
	switch conformance.Outcome(cell) {
	case conformance.Passed:
		return output.Green
	case conformance.Failed:
		return output.Red
	case conformance.Warned:
		return output.Yellow
	case conformance.Skipped:
	}
	return output.Dim
}

// reportSuite reports how to fix each case that did not pass, and sums up the results.
func reportSuite(a *cli.App, results []conformance.Result) error {
	counts := map[conformance.Outcome]int{}
	required := 0
	for _, r := range results {
		counts[r.Outcome]++
		if r.Required {
			required++
		}
		if r.Fix != "" {
			a.Say("%s: sent %s, expected %s\n  %s", r.Case, r.Sends, r.Expects, r.Fix)
		}
	}
	a.Say("%d passed, %s, %d failed, %d skipped", counts[conformance.Passed],
		cli.Plural(counts[conformance.Warned], "warning"), counts[conformance.Failed], counts[conformance.Skipped])
	if failed := counts[conformance.Failed]; failed > 0 {
		return cli.Failf(fault.Failed, "%d of %d required cases failed", failed, required)
	}
	return nil
}
