package cli

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

const (
	// progressAfter is the delay before progress is shown, and progressEvery the
	// time between updates.
	progressAfter = time.Second
	progressEvery = 200 * time.Millisecond
)

// progress is a line on a terminal's stderr. It appears when something takes longer than
// a second, and is removed at the end.
type progress struct {
	w    io.Writer
	line func() string
	end  chan struct{}
	done sync.WaitGroup
}

// newProgress starts to show the result of line, which must be safe to call at any time.
// It returns nil, which shows nothing, with -q, if stderr is not a terminal, or if rows
// appear on the same terminal in the meantime. atEnd means that all rows are printed
// together at the end.
func (a *App) newProgress(atEnd bool, line func() string) *progress {
	if a.Flags.Quiet || !IsTerminal(a.Err) || !atEnd && IsTerminal(a.Out) {
		return nil
	}
	p := &progress{w: a.Err, line: line, end: make(chan struct{})}
	p.done.Go(p.show)
	return p
}

func (p *progress) show() {
	timer := time.NewTimer(progressAfter)
	defer timer.Stop()
	shown := false
	for {
		select {
		case <-timer.C:
			fmt.Fprintf(p.w, "\r\x1b[K%s", p.line())
			shown = true
			timer.Reset(progressEvery)
		case <-p.end:
			if shown {
				fmt.Fprint(p.w, "\r\x1b[K")
			}
			return
		}
	}
}

// Stop removes the line.
func (p *progress) Stop() {
	if p != nil {
		close(p.end)
		p.done.Wait()
	}
}

// reading shows the progress of reading the log.
type reading struct {
	*progress
	count  atomic.Int64
	oldest atomic.Int64 // time of the last event read, as Unix time in milliseconds
}

// NewReading starts to show the progress of reading events from the log.
func (a *App) NewReading(utc, atEnd bool) *reading {
	r := &reading{}
	r.progress = a.newProgress(atEnd, func() string {
		n := int(r.count.Load())
		if n == 0 {
			return "waiting for the server"
		}
		return fmt.Sprintf("read %s, back to %s", Plural(n, "event"), output.Time(time.UnixMilli(r.oldest.Load()), utc))
	})
	return r
}

// Read counts an event that was read from the log.
func (r *reading) Read(e mender.Event) {
	r.count.Add(1)
	r.oldest.Store(e.Time.UnixMilli())
}

// sending shows the progress of sending events as a bar.
type sending struct {
	*progress
	Sent, Failed atomic.Int64
}

// NewSending starts to show the progress of sending total events.
func (a *App) NewSending(total int) *sending {
	s := &sending{}
	s.progress = a.newProgress(false, func() string {
		sent := int(s.Sent.Load())
		bar := output.Bar(sent, total, 30, a.OutStyle().Enabled)
		return fmt.Sprintf("%-30s %d of %s, %d failed", bar, sent, Plural(total, "event"), s.Failed.Load())
	})
	return s
}
