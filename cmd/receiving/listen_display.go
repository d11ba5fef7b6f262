package receiving

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// display prints a line for each event of a listener. If it is slow, it drops lines
// and does not delay the receiver.
type display struct {
	l      *listening
	ls     *listener.Listener
	sub    *listener.Subscription // nil with -o none or --interactive
	stream *output.Stream
	table  *recordTable  // nil if the output is no table
	done   chan struct{} // closed when everything is printed

	failed  error         // error of the last write; read it only after done is closed
	lost    atomic.Uint64 // number of lines that could not be written
	jqError time.Time     // time of the last warning about the jq expression
}

// display starts printing. If the reader of stdout goes away, it calls stop with
// the error, unless events are stored: then receiving continues.
func (l *listening) display(ls *listener.Listener, stop func(error)) *display {
	d := &display{l: l, ls: ls, done: make(chan struct{})}
	if l.screen != nil || l.printer.Format() == output.None {
		close(d.done)
		return d
	}
	var columns []output.Column
	if l.printer.Format() == output.Table {
		d.table = newRecordTable(l.app.TableWidth(), l.options)
		columns = d.table.columns()
	}
	d.sub, d.stream = ls.Hub().Subscribe(listener.SubscribeOptions{}), l.printer.Stream(columns)
	go d.run(stop)
	return d
}

func (d *display) run(stop func(error)) {
	defer close(d.done)
	for e := range d.sub.Events(context.Background()) {
		err := d.stream.Write(d.item(e))
		switch {
		case output.IsClosed(err) && !d.l.options.relay.stores():
			d.failed = err
			d.sub.Close()
			stop(err)
			return
		case output.IsFilterError(err):
			d.lost.Add(1)
			if time.Since(d.jqError) >= time.Second { // anyone can send requests, and so flood stderr
				d.jqError = time.Now()
				d.l.app.Warn("%v", err)
			}
			continue
		case err != nil && d.failed == nil:
			d.l.app.Warn("%v; continuing without output", err)
		case err == nil && d.failed != nil:
			d.l.app.Say("stdout is writable again")
		}
		if d.failed = err; err != nil {
			d.lost.Add(1)
		}
	}
	if d.failed == nil {
		d.failed = d.stream.Close()
	}
}

// wait waits until everything is printed, but at most for limit, or 500 ms if
// limit is shorter. It returns the error of the last write, unless events are
// stored or forwarded, because the command then has another purpose than output.
func (d *display) wait(limit time.Duration) error {
	timer := time.NewTimer(max(limit, 500*time.Millisecond))
	defer timer.Stop()
	select {
	case <-d.done:
	case <-timer.C:
		return nil // dropped counts the remaining lines
	}
	if output.IsClosed(d.failed) || d.l.options.relay.wanted() {
		return nil
	}
	return d.failed
}

// dropped returns how many lines were not printed.
func (d *display) dropped() uint64 {
	if d.sub == nil {
		return 0
	}
	return d.lost.Load() + d.sub.Dropped() + uint64(d.sub.Buffered()) //nolint:gosec // a length
}

// countSecrets tells the table how many secrets the endpoint of the next row has.
func (d *display) countSecrets(endpoint string) {
	if d.table != nil {
		d.table.secrets = len(d.ls.Secrets(endpoint))
	}
}

// item returns the item that the stream prints for an event.
func (d *display) item(e listener.Event) output.Item {
	var item output.Item
	hint := ""
	switch e := e.(type) {
	case listener.Received:
		d.countSecrets(e.Endpoint)
		record := e.Record()
		if item.Value, item.Name = record, record.ID; d.table != nil {
			item.Row, hint = d.table.received(e, record)
		}
	case listener.Attempted:
		d.countSecrets(e.Endpoint)
		if item.Value, item.Name = e.Line(), e.ID; d.table != nil {
			item.Row, hint = d.table.attempted(e.Line())
		}
	case listener.DeadLettered:
		if item.Value, item.Name = e.Line(), e.ID; d.table != nil {
			item.Row, hint = d.table.attempted(e.Line())
		}
	}
	if hint != "" {
		item.Below = []string{hint}
	}
	if r, ok := e.(listener.Received); ok && d.l.options.verbose {
		item.Below = append(item.Below, requestLines(r)...)
	}
	return item
}
