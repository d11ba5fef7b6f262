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

// progress is one line on a terminal's stderr that says how far the log has
// been read. It is shown when that takes longer than a second, and taken away
// at the end. A nil one shows nothing.
type progress struct {
	w      io.Writer
	utc    bool
	count  atomic.Int64
	oldest atomic.Int64 // in milliseconds
	end    chan struct{}
	done   sync.WaitGroup
}

// newProgress returns nil where nobody looks, or where rows that come one by
// one on the same terminal are progress enough.
func (a *app) newProgress(utc, atOnce bool) *progress {
	if a.flags.quiet || !isTerminal(a.err) || !atOnce && isTerminal(a.out) {
		return nil
	}
	p := &progress{w: a.err, utc: utc, end: make(chan struct{})}
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

func (p *progress) line() string {
	n := int(p.count.Load())
	if n == 0 {
		return "waiting for the server"
	}
	return fmt.Sprintf("read %s, back to %s", plural(n, "event"), output.Time(time.UnixMilli(p.oldest.Load()), p.utc))
}

// read counts an event that was read.
func (p *progress) read(e *mender.Event) {
	if p != nil {
		p.count.Add(1)
		p.oldest.Store(e.Time.UnixMilli())
	}
}

// stop takes the line away.
func (p *progress) stop() {
	if p != nil {
		close(p.end)
		p.done.Wait()
	}
}
