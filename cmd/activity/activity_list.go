package activity

import (
	"context"
	"errors"
	"runtime/debug"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// runActivity prints events as it reads them. Only a table with a limit is printed
// at the end, because its layout depends on all of its rows.
func runActivity(ctx context.Context, a *cli.App, o activityOptions) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	log, q, err := o.open(ctx, a)
	if err != nil {
		return err
	}
	if o.all {
		// Little of each page is retained, so by default the garbage collector
		// would run on every fourth page. This setting cuts the run time to a
		// fifth, for 20 MiB more memory.
		debug.SetGCPercent(400)
	}
	var rows [][]string
	whole := p.Format() == output.Table && q.Limit > 0
	table := a.EventTable(o.utc)
	stream := p.Stream(table.Columns())
	progress := a.NewReading(o.utc, whole)
	shown := 0
	e := new(mender.Event) // reused for all events, because the log may be long
	for event, err := range log.EventsWithProgress(ctx, q, progress.Read) {
		if *e = event; err == nil && whole {
			rows = append(rows, table.Row(e))
		} else if err == nil {
			err = stream.Write(table.Item(p, e))
		}
		if err != nil {
			progress.Stop()
			return errors.Join(err, stream.Close())
		}
		shown++
	}
	progress.Stop()
	sayShown(a, shown, q)
	if whole {
		return p.Print(output.View{Table: output.TableView{Columns: table.Columns(), Rows: rows}})
	}
	return stream.Close()
}

func sayShown(a *cli.App, shown int, q eventlog.Query) {
	switch {
	case shown == 0 && !q.IsAll():
		a.Say("no events match; Mender keeps events for a week")
	case shown == 0:
		a.Say("no events; Mender logs events only while there is an integration, and keeps them for a week")
	case shown == q.Limit:
		a.Say("stopped after %s; pass --limit for more, or --all", cli.Plural(shown, "event"))
	}
}
