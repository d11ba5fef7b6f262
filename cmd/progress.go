package cmd

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
	// progressAfter is how long something may take before it is worth a word,
	// progressEvery how often that word changes.
	progressAfter = time.Second
	progressEvery = 200 * time.Millisecond
)

// progress is one line on a terminal's stderr. It is shown when something
// takes longer than a second, and taken away at the end.
type progress struct {
	w    io.Writer
	line func() string
	end  chan struct{}
	done sync.WaitGroup
}

// newProgress shows what line returns, which may be called at any time. It
// returns nil, which shows nothing, where nobody looks, or where rows that come
// one by one on the same terminal are progress enough.
func (a *app) newProgress(atOnce bool, line func() string) *progress {
	if a.flags.quiet || !isTerminal(a.err) || !atOnce && isTerminal(a.out) {
		return nil
	}
	p := &progress{w: a.err, line: line, end: make(chan struct{})}
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

// stop takes the line away.
func (p *progress) stop() {
	if p != nil {
		close(p.end)
		p.done.Wait()
	}
}

// reading is how far the log has been read.
type reading struct {
	*progress
	count  atomic.Int64
	oldest atomic.Int64 // in milliseconds
}

func (a *app) newReading(utc, atOnce bool) *reading {
	r := &reading{}
	r.progress = a.newProgress(atOnce, func() string {
		n := int(r.count.Load())
		if n == 0 {
			return "waiting for the server"
		}
		return fmt.Sprintf("read %s, back to %s", plural(n, "event"), output.Time(time.UnixMilli(r.oldest.Load()), utc))
	})
	return r
}

// read counts an event that was read.
func (r *reading) read(e *mender.Event) {
	r.count.Add(1)
	r.oldest.Store(e.Time.UnixMilli())
}

// sending is how far events have been sent, as a bar.
type sending struct {
	*progress
	sent, failed atomic.Int64
}

func (a *app) newSending(total int) *sending {
	s := &sending{}
	s.progress = a.newProgress(false, func() string {
		sent := int(s.sent.Load())
		bar := output.Bar(sent, total, 30, a.outStyle().Enabled)
		return fmt.Sprintf("%-30s %d of %s, %d failed", bar, sent, plural(total, "event"), s.failed.Load())
	})
	return s
}
