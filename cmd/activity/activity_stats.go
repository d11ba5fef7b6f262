package activity

import (
	"context"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// notInLog describes the events and deliveries that the statistics do not cover.
const notInLog = "not counted, because Mender does not log them: deliveries that took longer than 10 seconds, " +
	"events without an integration, and events older than a week"

// activityStats is the object that --stats prints with -o json.
type activityStats struct {
	eventlog.Stats
	NotInLog string `json:"not_in_log"`
}

func runStats(ctx context.Context, a *cli.App, o activityOptions) error {
	p, err := a.PrinterOf(output.Table, output.JSON, output.JSONL, output.YAML)
	if err != nil {
		return err
	}
	err = a.PrintEach(ctx, p, output.MergeSections, func(ctx context.Context, a *cli.App) (cli.Shown, error) {
		return stats(ctx, a, o)
	})
	if err == nil && p.Format() == output.Table {
		a.Say("%s", notInLog)
	}
	return err
}

func stats(ctx context.Context, a *cli.App, o activityOptions) (cli.Shown, error) {
	log, q, err := o.open(ctx, a)
	if err != nil {
		return cli.Shown{}, err
	}
	q.Limit = 0
	progress := a.NewReading(o.utc, true)
	s, err := log.Statistics(ctx, q, progress.Read)
	progress.Stop()
	if err != nil {
		return cli.Shown{}, err
	}
	view := output.View{Value: activityStats{s, notInLog}, Fields: statsFields(s, o.utc)}
	view.More = []output.TableView{
		typeTable(s), answerTable(s), errorTable(s, o.utc), timeTable(a, s, o.utc), gapTable(s, o.utc),
	}
	return cli.Shown{View: view}, nil
}
